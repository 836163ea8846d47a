/** What can be done with a session as a whole: files of it, and other sessions from it. */
import { useMemo, useState } from "react";
import type { ExportFormat, RestClient, Session } from "../lib/rest";
import { download } from "./download";
import type { MenuItem } from "./Menu";
import type { Notices } from "./use-notices";

const FORMATS: readonly (readonly [ExportFormat, string, string])[] = [
  ["qasm3", "OpenQASM 3", "qasm"],
  ["qasm2", "OpenQASM 2", "qasm"],
  ["qpy", "QPY, for Qiskit", "qpy"],
  ["json", "JSON, with comments", "json"],
];

export interface Converted {
  session: Session;
  notes: readonly string[];
}

export function useActions(rest: RestClient, session: Session, say: Notices["say"], onOpen: (id: string) => void): {
  items: readonly MenuItem[];
  /** A conversion that could not keep everything; shown before it is opened. */
  converted: Converted | null;
  forget: () => void;
} {
  const [converted, setConverted] = useState<Converted | null>(null);
  const items = useMemo(() => {
    const tried = (what: string, work: () => Promise<void>) => (): void => {
      work().catch((error: unknown) =>
        say({ tone: "error", title: `${what} did not work.`, detail: error instanceof Error ? error.message : "" }),
      );
    };
    const to = session.kind === "text" ? "circuit" : "text";
    return [
      ...FORMATS.map(([format, label, extension]) => ({
        label: `Export as ${label}`,
        run: tried(`The export as ${label}`, async () => {
          const file = await rest.export(session.id, format);
          download(session.name, extension, file.blob);
          if (file.notes) say({ title: `Not everything has a form in ${label}:`, detail: file.notes });
        }),
      })),
      {
        label: to === "circuit" ? "Convert to circuit" : "Convert to text",
        hint: "makes a new session",
        run: tried("The conversion", async () => {
          const { notes, ...made } = await rest.convert(session.id, to);
          if (notes.length > 0) setConverted({ session: made, notes });
          else onOpen(made.id);
        }),
      },
      {
        label: "Fork",
        hint: "a session of your own",
        run: tried("The fork", async () => onOpen((await rest.fork(session.id)).id)),
      },
    ];
  }, [rest, session, say, onOpen]);
  return { items, converted, forget: () => setConverted(null) };
}
