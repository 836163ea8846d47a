import { useEffect, useState, type ReactElement } from "react";
import type { SessionStatus } from "../lib/session-channel";
import type { ConnectionState } from "../lib/websocket-secure";

export interface StatusLine {
  tone: "good" | "busy" | "bad";
  text: string;
  /** What a screen reader is told; changes only when there is news. */
  spoken: string;
  action: "retry" | null;
}

const unsaved = (count: number): string => (count === 0 ? "" : ` · ${count} unsaved ${count === 1 ? "edit" : "edits"}`);

/** Revoked, removed, blocked: to connect again would be refused again. */
const FINAL = [4500, 4501, 4503];

/** One line about the connection and the user's own work. */
export function statusLine(connection: ConnectionState, text: SessionStatus, now: number): StatusLine {
  const pending = unsaved(text.unconfirmed);
  switch (connection.phase) {
    case "live":
      if (text.phase === "refused") return { tone: "bad", text: text.reason ?? "Refused", spoken: text.reason ?? "Refused", action: null };
      if (text.phase !== "live") return { tone: "busy", text: `Catching up…${pending}`, spoken: "Catching up", action: null };
      if (text.unconfirmed > 0) return { tone: "good", text: "Live · saving…", spoken: "Live", action: null };
      return { tone: "good", text: text.canWrite ? "Live · all changes saved" : text.canComment ? "Live · read and comment" : "Live · read only", spoken: "Live", action: null };
    case "idle":
    case "connecting":
      return { tone: "busy", text: `Connecting…${pending}`, spoken: "Connecting", action: null };
    case "waiting": {
      const seconds = Math.max(0, Math.ceil((connection.retryAt - now) / 1_000));
      return { tone: "busy", text: `Reconnecting in ${seconds} s${pending}`, spoken: `${connection.reason} Reconnecting.`, action: "retry" };
    }
    case "offline":
      return { tone: "bad", text: `Offline${pending}`, spoken: "Offline. Reconnecting was given up.", action: "retry" };
    case "refused": {
      // An end that the server decided is told at length above the workbench.
      const ended = typeof connection.code === "number";
      const final = ended && FINAL.includes(connection.code as number);
      return { tone: "bad", text: (ended ? "Disconnected" : connection.reason) + pending, spoken: connection.reason, action: ended && !final ? "retry" : null };
    }
  }
}

export function ConnectionStatus({ connection, status: text, onRetry }: {
  connection: ConnectionState;
  status: SessionStatus;
  onRetry: () => void;
}): ReactElement {
  const [now, setNow] = useState(() => Date.now());
  const waiting = connection.phase === "waiting";
  useEffect(() => {
    if (!waiting) return;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [waiting, connection]);
  const line = statusLine(connection, text, now);
  return (
    <div className={`connection ${line.tone}`}>
      <span className="lamp" aria-hidden="true" />
      <span className="connection-text" data-phase={connection.phase} data-unconfirmed={text.unconfirmed}>
        {line.text}
      </span>
      {line.action === "retry" && (
        <button type="button" className="quiet" onClick={onRetry}>
          Reconnect now
        </button>
      )}
      <span className="visually-hidden" role="status">
        {line.spoken}
      </span>
    </div>
  );
}
