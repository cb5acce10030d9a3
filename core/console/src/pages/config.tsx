/** The configuration: read it, change a draft, see every fault before it counts, keep it as a version, go back. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ask, get, Problem } from "../api";
import { Editor } from "../routing/editor";
import { Versions } from "../routing/versions";
import { useLive, useSettled, useTask } from "../ui/hooks";
import { Field, Said, Section, Trouble } from "../ui/parts";
import type { ConfigMeta, Fault } from "../types";
import { moment } from "../labels";

interface Document extends ConfigMeta {
  text: string;
}

export function ConfigPage(): JSX.Element {
  const { log } = useLive();
  const [doc, setDoc] = useState<Document | null>(null);
  const [draft, setDraft] = useState<string | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  const task = useTask();
  // Somebody, here or elsewhere, made a version active: read again. A draft that is being written stays.
  const active = log.find((h) => h.event === "config.active")?.seq ?? 0;
  const load = async (): Promise<void> => setDoc(await get<Document>("/config"));
  useEffect(() => {
    void task.run(load);
  }, [active]);
  const edit = (): void => {
    setSaid(null);
    // A draft must hold the real passwords, or saving it would lose them.
    void task.run(async () => {
      const whole = await get<Document>("/config?secrets=true");
      setDoc(whole);
      setDraft(whole.text);
    });
  };
  const saved = (what: string): void => {
    setDraft(null);
    setSaid(what);
    void task.run(load);
  };
  return (
    <>
      {draft !== null && doc !== null ? (
        <Draft doc={doc} draft={draft} change={setDraft} leave={() => saved("Nothing was changed.")} saved={saved} />
      ) : (
        <Section title="Configuration" aside={<button type="button" class="main" disabled={doc === null} onClick={edit}>Edit</button>}>
          {doc && (
            <p class="faint">
              Version {doc.version}, {moment(doc.at_micros)}, by {doc.author}{doc.note !== "" && `: ${doc.note}`}. Passwords are hidden.
            </p>
          )}
          <Said text={said} />
          <Trouble error={task.error} />
          {doc && <Editor label="Active configuration" text={doc.text} faults={[]} />}
        </Section>
      )}
      <Versions active={doc?.version ?? 0} undone={saved} disabled={draft !== null} />
    </>
  );
}

interface DraftProps {
  doc: Document;
  draft: string;
  change: (text: string) => void;
  leave: () => void;
  saved: (what: string) => void;
}

function Draft({ doc, draft, change, leave, saved }: DraftProps): JSX.Element {
  const [faults, setFaults] = useState<Fault[]>([]);
  const [checked, setChecked] = useState<string | null>(null);
  const [note, setNote] = useState("");
  const task = useTask();
  // What is checked may be older than what stands there by now; then the verdict is not shown.
  const [base] = useState({ version: doc.version, text: doc.text });
  useSettled(draft, 500, (text) => {
    ask("/config/validate", { body: text, type: "application/toml" })
      .then((response) => response.json() as Promise<{ ok: boolean; faults: Fault[] }>)
      .then(
        (found) => {
          setFaults(found.faults);
          setChecked(text);
        },
        () => setChecked(null),
      );
  });
  const errors = faults.filter((f) => f.severity === "error").length;
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    let summary = "";
    const done = await task.run(async () => {
      try {
        const response = await ask(`/config?note=${encodeURIComponent(note)}`, {
          method: "PUT", body: draft, type: "application/toml", headers: { "If-Match": `"${base.version}"` },
        });
        const applied = (await response.json()) as { version: number; summary: string };
        summary = `Version ${applied.version} is active: ${applied.summary}.`;
      } catch (why) {
        if (why instanceof Problem && why.faults.length > 0) setFaults(why.faults);
        throw why;
      }
    });
    if (done) saved(summary);
  };
  return (
    <Section title="Draft of the configuration" aside={<span class="faint">from version {base.version}; shows passwords</span>}>
      <form onSubmit={(e) => void save(e)}>
        <Editor label="Draft of the configuration" text={draft} change={change} faults={faults} />
        <p role="status" class="verdict" data-verdict={checked !== draft ? "checking" : errors > 0 ? "bad" : "good"}>
          {checked !== draft ? <span class="faint">Checking…</span>
            : errors > 0 ? <><span class="tag tag-bad">{errors === 1 ? "1 error" : `${errors} errors`}</span> It cannot be activated.</>
            : <><span class="tag tag-good">Valid</span> It can be activated{faults.length > 0 ? ", with warnings" : ""}.</>}
        </p>
        <div class="row">
          <Field label="Reason for the change (shown in the version list)" class="wide">
            <input value={note} maxLength={500} onInput={(e) => setNote(e.currentTarget.value)} />
          </Field>
          <button type="submit" class="main" disabled={task.busy || draft === base.text || (checked === draft && errors > 0)}>Save as new version</button>
          <button type="button" onClick={leave}>Discard changes</button>
        </div>
        <Trouble error={task.error} />
      </form>
    </Section>
  );
}
