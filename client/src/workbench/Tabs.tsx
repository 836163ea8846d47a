import type { KeyboardEvent, ReactElement } from "react";

/** The parts of the workbench where there is room for one at a time. */
export function Tabs<T extends string>({ tabs, tab, onTab, counts = {} }: {
  tabs: readonly (readonly [T, string])[];
  tab: T;
  onTab: (tab: T) => void;
  counts?: Partial<Record<T, number>>;
}): ReactElement {
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>): void => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (step === 0) return;
    event.preventDefault();
    const index = (tabs.findIndex(([id]) => id === tab) + step + tabs.length) % tabs.length;
    const next = tabs[index];
    if (next) onTab(next[0]);
    event.currentTarget.querySelectorAll("button")[index]?.focus();
  };
  return (
    <div className="tabs" role="tablist" aria-label="Parts of the workbench" onKeyDown={onKeyDown}>
      {tabs.map(([id, label]) => (
        <button key={id} type="button" role="tab" aria-selected={tab === id} aria-controls={`pane-${id}`} tabIndex={tab === id ? 0 : -1} onClick={() => onTab(id)}>
          {label}
          {(counts[id] ?? 0) > 0 && <span className="count">{counts[id]}</span>}
        </button>
      ))}
    </div>
  );
}

export const tabClass = (name: string, current: string): string =>
  `panel pane${name === current ? " current" : ""}${name === "results" ? " results-pane" : ""}`;
