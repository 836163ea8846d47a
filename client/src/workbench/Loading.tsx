import type { ReactElement } from "react";

/** Over the place of a document that is not here yet, or will not come. */
export function Loading({ connection, reason }: { connection: string; reason: string | undefined }): ReactElement {
  return (
    <div className="editor-veil">
      {reason ? (
        <div className="notice error">
          {reason} <a href="/">All sessions</a>
        </div>
      ) : (
        <p className="muted">{connection === "live" ? "Loading the program…" : "Connecting…"}</p>
      )}
    </div>
  );
}
