import { useEffect, useMemo, useRef, useState, type ReactElement } from "react";
import { axisTicks, percent, viewCounts, type Bar, type CountOrder } from "./counts";
import { download } from "./download";
import { Icon } from "./icons";

const HEIGHT = 250;
const LEFT = 46;
const TOP = 22;

/** Counts as a bar chart, with the same numbers as a table for those who read rather than look. */
export function Histogram({ counts, name }: { counts: Record<string, number>; name: string }): ReactElement {
  const [order, setOrder] = useState<CountOrder>("bitstring");
  const [asTable, setAsTable] = useState(false);
  const view = useMemo(() => viewCounts(counts, order), [counts, order]);
  const all = useMemo(() => (asTable ? viewCounts(counts, order, 512) : view), [asTable, counts, order, view]);

  const save = (): void => download(name, "json", JSON.stringify({ shots: view.shots, counts }, null, 2), "application/json");

  return (
    <figure className="histogram" data-shots={view.shots}>
      <figcaption>
        <span className="figures">
          <strong>{view.shots.toLocaleString("en")}</strong> shots, <strong>{view.outcomes.toLocaleString("en")}</strong>{" "}
          {view.outcomes === 1 ? "outcome" : "outcomes"}
        </span>
        <span className="tools">
          <label className="inline-field">
            <span>Sort by</span>
            <select value={order} onChange={(event) => setOrder(event.target.value as CountOrder)}>
              <option value="bitstring">bitstring</option>
              <option value="count">count</option>
            </select>
          </label>
          <button type="button" className="quiet" aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
            <Icon name={asTable ? "bars" : "table"} />
            {asTable ? "Chart" : "Table"}
          </button>
          <button type="button" className="quiet" onClick={save}>
            <Icon name="download" />
            JSON
          </button>
        </span>
      </figcaption>
      {asTable ? <CountsTable bars={all.bars} /> : <Chart bars={view.bars} />}
    </figure>
  );
}

function Chart({ bars }: { bars: Bar[] }): ReactElement {
  const [frame, width] = useWidth(560);
  const [hovered, setHovered] = useState<number | null>(null);
  const highest = Math.max(...bars.map((bar) => bar.probability), 0);
  const ticks = axisTicks(highest);
  const top = Math.max(ticks[ticks.length - 1] ?? 0, highest) || 1;
  const step = (width - LEFT - 8) / Math.max(bars.length, 1);
  const barWidth = Math.max(2, Math.min(56, step * 0.68));
  const longest = Math.max(...bars.map((bar) => bar.label.length), 1);
  const turned = longest * 6.9 > step - 3;
  const labels = turned ? Math.min(120, longest * 6 + 16) : 28;
  const height = HEIGHT - 28 + labels;
  const floor = height - labels;
  const y = (probability: number): number => floor - (probability / top) * (floor - TOP);
  const active = hovered === null ? undefined : bars[hovered];
  const best = bars.reduce<Bar | undefined>((most, bar) => (bar.outcomes === 1 && (!most || bar.count > most.count) ? bar : most), undefined);

  return (
    <div className="chart" ref={frame}>
      <svg
        width={width}
        height={height}
        role="img"
        aria-label={`Histogram of ${bars.length} bars. Most frequent: ${best ? `${best.label} with ${best.count} (${percent(best.probability)})` : "none"}. The table view lists every count.`}
        onMouseLeave={() => setHovered(null)}
      >
        {ticks.map((tick) => (
          <g key={tick} className="tick">
            <line x1={LEFT - 4} x2={width} y1={y(tick)} y2={y(tick)} />
            <text x={LEFT - 9} y={y(tick)}>
              {tick.toLocaleString("en", { maximumFractionDigits: 3 })}
            </text>
          </g>
        ))}
        {bars.map((bar, i) => {
          const x = LEFT + step * (i + 0.5);
          return (
            <g key={bar.label} className={bar.outcomes > 1 ? "bar others" : "bar"} onMouseEnter={() => setHovered(i)}>
              <rect className="bar-hit" x={x - step / 2} y={TOP - 16} width={step} height={height - TOP + 16} />
              <rect className="bar-body" x={x - barWidth / 2} y={y(bar.probability)} width={barWidth} height={Math.max(1, floor - y(bar.probability))} rx={2} />
              {step >= 30 && (
                <text className="bar-value" x={x} y={y(bar.probability) - 6}>
                  {bar.count.toLocaleString("en")}
                </text>
              )}
              <text
                className={turned ? "bar-label turned" : "bar-label"}
                x={x}
                y={floor + (turned ? 10 : 17)}
                transform={turned ? `rotate(-55 ${x} ${floor + 10})` : undefined}
              >
                {bar.label.length > 18 ? `${bar.label.slice(0, 8)}…${bar.label.slice(-8)}` : bar.label}
              </text>
            </g>
          );
        })}
        <line className="axis" x1={LEFT - 4} x2={width} y1={floor} y2={floor} />
      </svg>
      <p className="chart-readout">
        {active ? (
          <>
            <code>{active.label}</code> {active.count.toLocaleString("en")} of the shots, {percent(active.probability)}
          </>
        ) : (
          "Probability of each outcome. The rightmost bit is the first classical bit."
        )}
      </p>
    </div>
  );
}

function CountsTable({ bars }: { bars: Bar[] }): ReactElement {
  return (
    <div className="counts-table" tabIndex={0} role="region" aria-label="Counts">
      <table>
        <thead>
          <tr>
            <th scope="col">Outcome</th>
            <th scope="col">Count</th>
            <th scope="col">Probability</th>
          </tr>
        </thead>
        <tbody>
          {bars.map((bar) => (
            <tr key={bar.label}>
              <th scope="row">
                <code>{bar.label}</code>
              </th>
              <td>{bar.count.toLocaleString("en")}</td>
              <td>{percent(bar.probability)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function useWidth(initial: number): [React.RefObject<HTMLDivElement | null>, number] {
  const ref = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(initial);
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setWidth(Math.max(220, Math.floor(entry.contentRect.width)));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return [ref, width];
}
