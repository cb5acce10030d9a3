import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get } from "../api";
import { useTask } from "../ui/hooks";
import { Field, Trouble } from "../ui/parts";
import { plain } from "../labels";

interface PlanAnswer {
  result: "SEND" | "REJECT" | "BLOCKED" | "VSC";
  number?: string;
  route?: string;
  dialed: string;
  alt?: string;
  why: string;
  t_after_last_key: number;
  tone_after?: string[];
}

const RESULTS: Record<PlanAnswer["result"], [word: string, tag: string]> = {
  SEND: ["Sent", "tag-good"],
  VSC: ["Star code", "tag-good"],
  REJECT: ["Rejected: reorder tone", "tag-bad"],
  BLOCKED: ["Barred: reorder tone", "tag-bad"],
};

/** What ended dialling, as the exchange names it, and for people. */
const WHY: Record<string, string> = {
  unique: "nothing else can match any more",
  S0: "S0: sent without waiting for another key",
  timeout: "no further key came in time",
  "send key": "the send key was pressed",
  "pause elapsed": "the pause in the plan was over",
  "no candidate": "no alternative matches",
  "barred prefix complete": "these digits are barred",
  "long timeout": "dialling stopped before any number was complete",
  "send key, incomplete": "the send key came before any number was complete",
  "dial tone timeout": "no key was pressed at all",
};

/** Presses keys on the plan and shows what it makes of them. */
export function PlanKeys({ plan }: { plan: string }): JSX.Element {
  const [keys, setKeys] = useState("999");
  const [vsc, setVsc] = useState(false);
  const [bar, setBar] = useState("prefix");
  const [incomplete, setIncomplete] = useState("reject");
  const [long, setLong] = useState("");
  const [short, setShort] = useState("");
  const [answer, setAnswer] = useState<PlanAnswer | null>(null);
  const task = useTask();
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const timers = { ...(long !== "" && { long: Number(long) }), ...(short !== "" && { short: Number(short) }) };
    let describe: PlanAnswer | null = null;
    await task.run(async () => {
      describe = await get<PlanAnswer>("/dialplan/try", { json: { plan, keys, vsc, bar, incomplete, ...timers } });
    });
    setAnswer(describe);
  };
  return (
    <form onSubmit={(e) => void submit(e)} aria-label="Test the dial plan">
      <div class="row">
        <Field label="Keys"><input class="number" name="keys" value={keys} required onInput={(e) => setKeys(e.currentTarget.value)} /></Field>
        <button type="submit" class="main" disabled={task.busy}>Run</button>
        <span class="hint">Half a second apart; <code>{"{2}"}</code> waits two seconds more.</span>
      </div>
      <details>
        <summary>Dialling options</summary>
        <div class="row">
          <label class="check"><input type="checkbox" checked={vsc} onChange={(e) => setVsc(e.currentTarget.checked)} /> With star codes</label>
          <Field label="Barred numbers">
            <select value={bar} onChange={(e) => setBar(e.currentTarget.value)}>
              <option value="prefix">refused at once</option><option value="exact">refused when dialling stops there</option>
            </select>
          </Field>
          <Field label="Incomplete numbers">
            <select value={incomplete} onChange={(e) => setIncomplete(e.currentTarget.value)}>
              <option value="reject">are rejected</option><option value="as-dialed">are sent as dialled</option>
            </select>
          </Field>
          <Field label="Long timer, s" class="narrow"><input type="number" min={0} max={3600} step="0.1" placeholder="10" value={long} onInput={(e) => setLong(e.currentTarget.value)} /></Field>
          <Field label="Short timer, s" class="narrow"><input type="number" min={0} max={3600} step="0.1" placeholder="3" value={short} onInput={(e) => setShort(e.currentTarget.value)} /></Field>
        </div>
      </details>
      <Trouble error={task.error} />
      {answer && task.error === null && <Answer answer={answer} />}
    </form>
  );
}

function Answer({ answer }: { answer: PlanAnswer }): JSX.Element {
  const [word, tag] = RESULTS[answer.result] ?? [answer.result, ""];
  const rows: [string, string | undefined][] = [
    ["Number", answer.number],
    ["Route", answer.route],
    ["Keys collected", answer.dialed],
    ["Matching alternative", answer.alt],
    ["Because", WHY[answer.why] ?? plain(answer.why)],
    ["After the last key", answer.t_after_last_key === 0 ? "at once" : `${answer.t_after_last_key} s`],
    ["Outside dial tone after", answer.tone_after?.join(", ")],
  ];
  return (
    <div role="status" data-result={answer.result}>
      <p class="verdict"><span class={`tag ${tag}`}>{word}</span></p>
      <dl class="facts">
        {rows.filter(([, value]) => value !== undefined && value !== "").map(([name, value]) => (
          <div key={name}><dt>{name}</dt><dd class={name === "Because" ? "" : "number"}>{value}</dd></div>
        ))}
      </dl>
    </div>
  );
}
