import { useEffect, useRef, type ReactElement, type ReactNode } from "react";
import { Icon } from "./icons";

/** A panel beside the workbench; over it where there is no room beside. Escape closes it. */
export function SidePanel({ title, tools, onClose, children }: {
  title: string;
  tools?: ReactNode;
  onClose: () => void;
  children: ReactNode;
}): ReactElement {
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    // What is inside may have taken the focus already: a comment that is to be written.
    if (!panel.current?.contains(document.activeElement)) panel.current?.focus({ preventScroll: true });
  }, []);
  return (
    <aside
      className="panel side-panel"
      aria-label={title}
      ref={panel}
      tabIndex={-1}
      onKeyDown={(event) => {
        if (event.key === "Escape" && !event.defaultPrevented) onClose();
      }}
    >
      <div className="panel-head">
        <h2>{title}</h2>
        <span className="spacer" />
        {tools}
        <button type="button" className="icon-button" aria-label={`Close ${title.toLowerCase()}`} onClick={onClose}>
          <Icon name="close" />
        </button>
      </div>
      <div className="side-body">{children}</div>
    </aside>
  );
}
