import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { get, sentence } from "../api";
import { useSettled } from "../ui/hooks";
import { Trouble } from "../ui/parts";

interface PlanFault {
  error: boolean;
  /** Which character, from 1. */
  at: number;
  what: string;
  hint: string;
}

interface PlanCheck {
  ok: boolean;
  faults: PlanFault[];
  repaired?: string;
}

interface Props {
  plan: string;
  change: (plan: string) => void;
}

/** The plan's text, checked as it is written, with every fault shown at its place. */
export function PlanText({ plan, change }: Props): JSX.Element {
  const [checked, setChecked] = useState<{ plan: string; check: PlanCheck } | null>(null);
  const [error, setError] = useState<string | null>(null);
  useSettled(plan, 250, (text) => {
    if (text === "") return setChecked(null);
    get<PlanCheck>("/dialplan/check", { json: { plan: text } }).then(
      (check) => {
        setChecked({ plan: text, check });
        setError(null);
      },
      (why: unknown) => setError(sentence(why)),
    );
  });
  const current = checked?.plan === plan ? checked.check : null;
  return (
    <>
      <label class="field">
        <span class="unseen">Dial plan text</span>
        <textarea class="code" name="plan" rows={4} spellcheck={false} autocapitalize="off" value={plan}
          aria-invalid={current !== null && !current.ok} aria-describedby="plan-verdict" onInput={(e) => change(e.currentTarget.value)} />
      </label>
      <div id="plan-verdict" role="status">
        {current?.ok && current.faults.length === 0 && <p class="verdict"><span class="tag tag-good">Valid</span> This dial plan is valid.</p>}
        {current?.faults.map((fault) => <FaultAt key={`${fault.at} ${fault.what}`} plan={plan} fault={fault} />)}
        {current?.repaired !== undefined && (
          <p class="row">
            <span>Did you mean <code>{current.repaired}</code>?</span>
            <button type="button" class="small" onClick={() => change(current.repaired ?? plan)}>Apply</button>
          </p>
        )}
      </div>
      <Trouble error={error} />
    </>
  );
}

/** Characters shown on either side of a fault. */
const AROUND = 36;

function FaultAt({ plan, fault }: { plan: string; fault: PlanFault }): JSX.Element {
  // Places count characters, not UTF-16 units.
  const chars = Array.from(plan.replace(/\n/g, " "));
  const at = Math.min(fault.at - 1, chars.length);
  const start = Math.max(0, at - AROUND);
  const end = Math.min(chars.length, at + AROUND);
  return (
    <div class={`fault ${fault.error ? "fault-error" : "fault-warning"}`} data-fault={fault.at}>
      <pre class="code" aria-hidden="true">
        {start > 0 ? "…" : ""}{chars.slice(start, at).join("")}<mark>{chars[at] ?? " "}</mark>{chars.slice(at + 1, end).join("")}{end < chars.length ? "…" : ""}
      </pre>
      <p>
        <span class={`tag ${fault.error ? "tag-bad" : "tag-warn"}`}>{fault.error ? "Error" : "Warning"}</span>{" "}
        Character {fault.at}: {fault.what}{fault.hint !== "" && <span class="faint">; {fault.hint}</span>}
      </p>
    </div>
  );
}
