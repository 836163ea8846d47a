import { useState, type ReactElement } from "react";
import { Icon } from "./icons";
import type { Notice } from "./use-notices";

export function NoticeList({ notices, onDismiss }: { notices: readonly Notice[]; onDismiss: (id: number) => void }): ReactElement | null {
  if (notices.length === 0) return null;
  return (
    <div className="notices">
      {notices.map((notice) => (
        <div key={notice.id} className={notice.tone === "error" ? "notice error floating" : "notice floating"} role="alert">
          <span className="notice-text">
            <strong>{notice.title}</strong> {notice.detail}
          </span>
          {notice.copy !== null && <CopyButton text={notice.copy} label="Copy its text" />}
          {notice.link && (
            <a className="button" href={notice.link.href}>
              {notice.link.label}
            </a>
          )}
          <button type="button" className="icon-button" aria-label="Dismiss" onClick={() => onDismiss(notice.id)}>
            <Icon name="close" />
          </button>
        </div>
      ))}
    </div>
  );
}

export function CopyButton({ text, label }: { text: string; label: string }): ReactElement {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(true);
    } catch {
      // No clipboard without a secure origin: let the user copy it by hand.
      window.prompt("Copy this", text);
    }
  };
  return (
    <button type="button" className="copy" onClick={() => void copy()}>
      <Icon name={copied ? "check" : "copy"} />
      {copied ? "Copied" : label}
    </button>
  );
}
