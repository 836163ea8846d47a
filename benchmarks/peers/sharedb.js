// ShareDB as its documentation sets it up, in memory: no database, no durability.
// Says where it listens on its first line of output; ends with its standard input.
import { createServer } from "node:http";
import WebSocketJSONStream from "@teamwork/websocket-json-stream";
import text0 from "ot-json0/lib/text0.js";
import ShareDB from "sharedb";
import { WebSocketServer } from "ws";

ShareDB.types.register(text0);
const backend = new ShareDB();
const server = createServer();
new WebSocketServer({ server }).on("connection", (socket) => {
  backend.listen(new WebSocketJSONStream(socket));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
