import type { ReactElement } from "react";
import type { Diagnostic } from "../lib/rest";
import { Icon } from "./icons";

/** What was found last. While a newer text is being checked it stays, so that the list does not jump. */
export function Problems({ diagnostics, state, onGo }: {
  diagnostics: readonly Diagnostic[];
  state: "unchecked" | "checked" | "offline";
  onGo: (diagnostic: Diagnostic) => void;
}): ReactElement {
  return (
    <div className={diagnostics.length > 0 ? "problems some" : "problems"} role="region" aria-label="Problems">
      {diagnostics.length === 0 ? (
        <p className="muted">
          {state === "checked" && <Icon name="check" />}
          {{ unchecked: "Checking…", checked: "No problems", offline: "Not checked since the connection was lost" }[state]}
        </p>
      ) : (
        <ul>
          {diagnostics.slice(0, 50).map((d, i) => (
            <li key={i}>
              <button type="button" className={`problem ${d.severity}`} onClick={() => onGo(d)}>
                <span className="place">
                  {d.line}:{d.column}
                </span>
                <span>{d.message}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}
