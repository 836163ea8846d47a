// Hocuspocus as its documentation sets it up, in memory: no database, no durability.
// Says where it listens on its first line of output; ends with its standard input.
import { Server } from "@hocuspocus/server";

const server = new Server({ address: "127.0.0.1", port: 0, quiet: true, stopOnSignals: false });
server.httpServer.listen(0, "127.0.0.1", () => console.log(server.httpServer.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
