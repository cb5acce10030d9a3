import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { useTask } from "../ui/hooks";
import { Section, Trouble } from "../ui/parts";
import type { ConfigMeta, DiffLine } from "../types";
import { moment } from "../labels";

interface Comparison {
  from: number;
  to: number;
  summary: string;
  lines: DiffLine[];
}

interface Props {
  active: number;
  undone: (what: string) => void;
  disabled: boolean;
}

/** Rows shown before "all": a long-lived box has hundreds of versions. */
const SHOWN = 20;

/** Every version there ever was: compare it with the one before, or return to it. */
export function Versions({ active, undone, disabled }: Props): JSX.Element {
  const [versions, setVersions] = useState<ConfigMeta[]>([]);
  const [all, setAll] = useState(false);
  const [comparison, setComparison] = useState<Comparison | null>(null);
  const task = useTask();
  useEffect(() => {
    void task.run(async () => setVersions(await get<ConfigMeta[]>("/config/versions")));
  }, [active]);
  const compare = (from: number, to: number): void =>
    void task.run(async () => setComparison(await get<Comparison>(`/config/diff?from=${from}&to=${to}`)));
  const undo = (version: number): void => void task.run(async () => {
    const applied = await get<{ version: number; summary: string }>("/config/undo", { json: { version } });
    setComparison(null);
    undone(`Back to version ${version}, as version ${applied.version}: ${applied.summary}.`);
  });
  return (
    <Section title="Versions" aside={<span class="count">{versions.length}</span>}>
      <div class="scroll">
        <table>
          <thead><tr><th>Version</th><th>When</th><th>By</th><th>Reason</th><th><span class="unseen">Actions</span></th></tr></thead>
          <tbody>
            {(all ? versions : versions.slice(0, SHOWN)).map((v) => (
              <tr key={v.version} data-version={v.version}>
                <td class="number">{v.version}{v.version === active && <span class="tag tag-good">active</span>}</td>
                <td>{moment(v.at_micros)}</td>
                <td>{v.author}</td>
                <td class="wrap">{v.note}</td>
                <td class="right">
                  {v.version > 1 && <button type="button" class="small" onClick={() => compare(v.version - 1, v.version)}>Show changes</button>}{" "}
                  {v.version !== active && <button type="button" class="small" onClick={() => compare(v.version, active)}>Compare with active</button>}{" "}
                  {v.version !== active && <button type="button" class="small" disabled={disabled || task.busy} onClick={() => undo(v.version)}>Restore</button>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {!all && versions.length > SHOWN && <button type="button" class="small" onClick={() => setAll(true)}>Show all {versions.length}</button>}
      <Trouble error={task.error} />
      {comparison && <Diff comparison={comparison} close={() => setComparison(null)} />}
    </Section>
  );
}

/** Unchanged lines kept around a change. */
const AROUND = 3;

function Diff({ comparison, close }: { comparison: Comparison; close: () => void }): JSX.Element {
  const { lines } = comparison;
  const near = lines.map((_, n) => lines.slice(Math.max(0, n - AROUND), n + AROUND + 1).some((l) => l.op !== " "));
  const rows: JSX.Element[] = [];
  lines.forEach((line, n) => {
    if (near[n]) rows.push(<div key={n} class={line.op === "+" ? "added" : line.op === "-" ? "removed" : ""}>{`${line.op} ${line.text}`}</div>);
    else if (near[n - 1]) rows.push(<div key={n} class="faint">…</div>);
  });
  return (
    <div class="diff" role="status">
      <p class="row"><strong>Version {comparison.from} → {comparison.to}</strong> <span>{comparison.summary}</span>
        <button type="button" class="small" onClick={close}>Close</button></p>
      <div class="code scroll">{rows}</div>
    </div>
  );
}
