/** What the user must be told and may want to copy: each stays until it is dismissed. */
import { useCallback, useMemo, useState } from "react";
import type { SessionNews } from "./use-session";

export interface Notice {
  id: number;
  tone: "error" | "plain";
  title: string;
  detail: string;
  /** Words of the user's that are nowhere else any more. */
  copy: string | null;
  link: { href: string; label: string } | null;
}

export interface Notices extends SessionNews {
  all: readonly Notice[];
  say: (notice: Partial<Notice> & { title: string }) => void;
  dismiss: (id: number) => void;
}

const MOST = 4;
let count = 0;

export function useNotices(): Notices {
  const [all, setAll] = useState<readonly Notice[]>([]);
  const say = useCallback((notice: Partial<Notice> & { title: string }) => {
    setAll((old) => [...old.slice(1 - MOST), { tone: "plain", detail: "", copy: null, link: null, ...notice, id: ++count }]);
  }, []);
  const dismiss = useCallback((id: number) => setAll((old) => old.filter((notice) => notice.id !== id)), []);
  return useMemo(
    () => ({
      all,
      say,
      dismiss,
      onRejected: ({ what, message, text }) =>
        say({
          tone: "error",
          title: what === "edit" ? "An edit was refused and taken out." : "A comment was refused.",
          detail: message,
          copy: text || null,
        }),
      onUnsent: ({ edits, text, comments }) =>
        say({
          tone: "error",
          title: "What you had not sent yet is not in the restored version.",
          detail: [edits > 0 ? `${edits} ${edits === 1 ? "edit" : "edits"}` : "", comments.length > 0 ? `${comments.length} of your comments` : ""].filter(Boolean).join(" and ") + ".",
          copy: [text, ...comments].filter(Boolean).join("\n") || null,
        }),
      onReplaced: () => say({ title: "An earlier version was restored.", detail: "Everyone in this session sees it now; nothing of the history is lost." }),
    }),
    [all, say, dismiss],
  );
}
