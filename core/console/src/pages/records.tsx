/** Call detail records: who called whom, how it ended, who decided, and how it sounded. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { Details } from "../routing/record";
import { useLive, useTask } from "../ui/hooks";
import { Empty, Field, Party, Section, Trouble } from "../ui/parts";
import type { Cdr } from "../types";
import { causeLabel, duration, endedBy, moment, plain } from "../labels";

interface Page {
  cdrs: Cdr[];
  next: string | null;
}

const CAUSES = [
  "normal", "cancelled", "busy", "no-answer", "unregistered", "declined", "unallocated", "changed", "barred", "invalid", "congestion",
  "failure", "incompatible", "media-timeout", "session-expired", "cpc", "reversal", "tone", "silence", "operator", "preempted",
  "system-failure", "board-lost", "board-refused", "wrong-port", "no-loop-current", "no-dial-tone", "spent",
];

interface Filter {
  party: string;
  cause: string;
  open: string;
  since: string;
}

export function RecordsPage(): JSX.Element {
  const { log } = useLive();
  const [filter, setFilter] = useState<Filter>({ party: "", cause: "", open: "", since: "" });
  const [cdrs, setCdrs] = useState<Cdr[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [shown, setShown] = useState<string | null>(null);
  const task = useTask();
  const ended = log.find((h) => h.event === "call.ended")?.seq ?? 0;
  const load = (cursor: string | null): void => void task.run(async () => {
    const page = await get<Page>(`/cdrs?${query(filter, cursor)}`);
    setCdrs((before) => (cursor === null ? page.cdrs : [...before, ...page.cdrs]));
    setNext(page.next);
  });
  useEffect(() => {
    // The record is written right after the event.
    const timer = setTimeout(() => load(null), 300);
    return () => clearTimeout(timer);
  }, [filter, ended]);
  const set = (part: Partial<Filter>): void => setFilter((before) => ({ ...before, ...part }));
  return (
    <Section title="Call records" aside={<button type="button" class="small" onClick={() => load(null)}>Refresh</button>}>
      <div class="row" role="search">
        <Field label="Number or name contains"><input type="search" value={filter.party} onInput={(e) => set({ party: e.currentTarget.value })} /></Field>
        <Field label="End">
          <select value={filter.cause} onChange={(e) => set({ cause: e.currentTarget.value })}>
            <option value="">anything</option>
            {CAUSES.map((cause) => <option key={cause} value={cause}>{causeLabel(cause)}</option>)}
          </select>
        </Field>
        <Field label="State">
          <select value={filter.open} onChange={(e) => set({ open: e.currentTarget.value })}>
            <option value="">all</option><option value="true">in progress</option><option value="false">ended</option>
          </select>
        </Field>
        <Field label="Since"><input type="datetime-local" value={filter.since} onInput={(e) => set({ since: e.currentTarget.value })} /></Field>
      </div>
      <Trouble error={task.error} />
      {cdrs.length === 0 ? <Empty>No call matches.</Empty> : (
        <div class="scroll">
          <table>
            <thead><tr><th>Start</th><th>From</th><th>Dialled</th><th>Reached</th><th class="right">Talked</th><th>End</th><th><span class="unseen">Details</span></th></tr></thead>
            <tbody>
              {cdrs.map((cdr) => [
                <Row key={cdr.call} cdr={cdr} open={shown === cdr.call} toggle={() => setShown(shown === cdr.call ? null : cdr.call)} />,
                shown === cdr.call && <tr key={`${cdr.call} details`} class="details"><td colSpan={7}><Details cdr={cdr} /></td></tr>,
              ])}
            </tbody>
          </table>
        </div>
      )}
      {next !== null && <button type="button" disabled={task.busy} onClick={() => load(next)}>Older calls</button>}
    </Section>
  );
}

function query(filter: Filter, cursor: string | null): URLSearchParams {
  const query = new URLSearchParams({ limit: "50" });
  if (cursor !== null) query.set("cursor", cursor);
  if (filter.party.trim() !== "") query.set("party", filter.party.trim());
  if (filter.cause !== "") query.set("cause", filter.cause);
  if (filter.open !== "") query.set("open", filter.open);
  if (filter.since !== "") query.set("since_micros", String(new Date(filter.since).getTime() * 1000));
  return query;
}

function Row({ cdr, open, toggle }: { cdr: Cdr; open: boolean; toggle: () => void }): JSX.Element {
  const talked = cdr.answered_after_us === null || cdr.ended_after_us === null ? null : (cdr.ended_after_us - cdr.answered_after_us) / 1000;
  return (
    <tr data-cdr={cdr.call}>
      <td>{moment(cdr.started_micros)}</td>
      <td>{cdr.source.name ? <Party name={cdr.source.name} /> : plain(cdr.source.kind)}{cdr.emergency && <strong class="tag tag-bad">Emergency</strong>}</td>
      <td class="number">{cdr.dialled}</td>
      <td>{cdr.target ? <Party name={cdr.target} /> : "–"}</td>
      <td class="right number">{talked === null ? "–" : duration(talked)}</td>
      <td>{cdr.cause === null ? <span class="tag tag-good">in progress</span> : <>{causeLabel(cdr.cause)} <span class="faint">by {endedBy(cdr.ended_by)}</span></>}</td>
      <td class="right"><button type="button" class="small" aria-expanded={open} onClick={toggle}>{open ? "Less" : "Details"}</button></td>
    </tr>
  );
}
