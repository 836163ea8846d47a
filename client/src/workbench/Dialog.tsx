import { useEffect, useId, useRef, type ReactElement, type ReactNode } from "react";
import { Icon } from "./icons";

/** A modal dialog: the browser's own, which keeps the focus inside and closes on Escape. */
export function Dialog({ title, open, onClose, children }: {
  title: string;
  open: boolean;
  onClose: () => void;
  children: ReactNode;
}): ReactElement {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    if (!dialog) return;
    if (open && !dialog.open) dialog.showModal();
    if (!open && dialog.open) dialog.close();
  }, [open]);
  return (
    <dialog
      ref={ref}
      aria-labelledby={id}
      onClose={onClose}
      onClick={(event) => {
        if (event.target === ref.current) onClose();
      }}
    >
      <div className="dialog-body">
        <div className="dialog-head">
          <h2 id={id}>{title}</h2>
          <button type="button" className="icon-button" aria-label="Close" onClick={onClose}>
            <Icon name="close" />
          </button>
        </div>
        {open && children}
      </div>
    </dialog>
  );
}

const SHORTCUTS: readonly (readonly [string, string])[] = [
  ["Ctrl or ⌘ + Enter", "Run the program"],
  ["Ctrl or ⌘ + F", "Search and replace"],
  ["Ctrl or ⌘ + Z, Shift + Z", "Undo and redo your own edits, over all your tabs"],
  ["Ctrl or ⌘ + Alt + M", "Comment on the selection or the line"],
  ["Ctrl or ⌘ + /", "Comment or uncomment lines"],
  ["Ctrl or ⌘ + ] and [", "Indent more and less"],
  ["F8", "Go to the next problem"],
  ["Alt + ↑ and ↓", "Move lines"],
  ["Ctrl or ⌘ + D", "Select the next occurrence"],
  ["Tab", "Leave the editor for the next control"],
  ["← → Home End", "Step through the circuit, when it has the focus"],
  ["?", "This list, outside the editor"],
];

export function ShortcutsDialog({ open, onClose }: { open: boolean; onClose: () => void }): ReactElement {
  return (
    <Dialog title="Keyboard" open={open} onClose={onClose}>
      <dl className="shortcuts">
        {SHORTCUTS.map(([keys, meaning]) => (
          <div key={keys}>
            <dt>{keys}</dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
