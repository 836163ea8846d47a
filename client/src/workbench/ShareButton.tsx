import { useEffect, useRef, useState, type ReactElement } from "react";
import { Icon } from "./icons";

/** Copies the link that opens this session. */
export function ShareButton({ id, isPublic, announce }: { id: string; isPublic: boolean; announce: (message: string) => void }): ReactElement {
  const [copied, setCopied] = useState(false);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async (): Promise<void> => {
    const link = `${window.location.origin}/s/${encodeURIComponent(id)}`;
    try {
      await navigator.clipboard.writeText(link);
      setCopied(true);
      announce("Link copied.");
      clearTimeout(timer.current);
      timer.current = setTimeout(() => setCopied(false), 2_000);
    } catch {
      // No clipboard without a secure origin: let the user copy it by hand.
      window.prompt("The link to this session", link);
    }
  };
  return (
    <button type="button" className="share" onClick={() => void copy()} title={isPublic ? "Anyone on this SynQ can open it" : "Only its participants can open it"}>
      <Icon name={copied ? "check" : "link"} />
      <span>{copied ? "Copied" : "Copy link"}</span>
    </button>
  );
}
