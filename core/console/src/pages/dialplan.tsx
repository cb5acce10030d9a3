/** Dial plans, tried in a dry run: check a plan, press keys on it, and ask what the whole route would do. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { get } from "../api";
import { PlanKeys } from "../routing/keys";
import { PlanText } from "../routing/plan-text";
import { RouteTry } from "../routing/route-try";
import { plansIn } from "../routing/plans";
import type { NamedPlan } from "../routing/plans";
import { Field, Section } from "../ui/parts";

const EXAMPLE = "(999S0<:@gw0>|<9,:>xxxxx.|[2-8]xx|**xx)";

export function DialplanPage(): JSX.Element {
  const [plans, setPlans] = useState<NamedPlan[]>([]);
  const [plan, setPlan] = useState("");
  useEffect(() => {
    void get<{ text: string }>("/config").then(({ text }) => {
      const found = plansIn(text);
      setPlans(found);
      setPlan((now) => now || (found[0]?.text ?? EXAMPLE));
    }, () => setPlan((now) => now || EXAMPLE));
  }, []);
  const chosen = plans.find((p) => p.text === plan)?.name ?? "";
  return (
    <>
      <Section title="Dial plan" aside={(
        <Field label="Configured plan" class="inline">
          <select value={chosen} onChange={(e) => {
            const picked = plans.find((p) => p.name === e.currentTarget.value);
            if (picked) setPlan(picked.text);
          }}>
            {chosen === "" && <option value="">Own text</option>}
            {plans.map((p) => <option key={p.name} value={p.name}>{p.name}</option>)}
          </select>
        </Field>
      )}>
        <PlanText plan={plan} change={setPlan} />
      </Section>
      <Section title="Test the dial plan">
        <PlanKeys plan={plan} />
      </Section>
      <Section title="Explain a route">
        <RouteTry />
      </Section>
    </>
  );
}
