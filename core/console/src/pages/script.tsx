/** The routing script: read, change, check, activate. A broken one is refused and the running one stays. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ask, get, Problem, sentence } from "../api";
import { Editor } from "../routing/editor";
import { useLive, useSettled, useTask } from "../ui/hooks";
import { Empty, Said, Section, Trouble } from "../ui/parts";
import type { Fault } from "../types";

export function ScriptPage(): JSX.Element {
  const { state } = useLive();
  if (!state) return <p class="empty">Waiting for the exchange…</p>;
  const { name, hash, refused } = state.script;
  if (name === "") {
    return (
      <Section title="Script">
        <Empty>
          No script is configured; calls are routed by the dial plan alone. Set one in the configuration, <code>script = "scripts/default.rhai"</code>, to see it here.
        </Empty>
      </Section>
    );
  }
  const file = name.split("/").pop() ?? name;
  return (
    <Section title={`Script ${file}`} aside={<span class="faint">running: {hash.slice(0, 12)}</span>}>
      {refused !== null && <p class="note note-bad">The newest text was refused, the one before runs: {refused}</p>}
      <ScriptText key={file} name={file} />
    </Section>
  );
}

function ScriptText({ name }: { name: string }): JSX.Element {
  const [kept, setKept] = useState<string | null>(null);
  const [text, setText] = useState("");
  const [faults, setFaults] = useState<Fault[]>([]);
  const [checked, setChecked] = useState<string | null>(null);
  const [said, setSaid] = useState<string | null>(null);
  const task = useTask();
  useEffect(() => {
    void task.run(async () => {
      const read = await get<{ text: string }>(`/scripts/${name}`);
      setKept(read.text);
      setText(read.text);
    });
  }, [name]);
  useSettled(text, 500, (now) => {
    if (now === kept || kept === null) {
      setFaults([]);
      return setChecked(now);
    }
    ask(`/scripts/${name}/check`, { body: now, type: "text/plain" }).then(
      () => setFaults([]),
      (why: unknown) => setFaults(found(why, name)),
    ).finally(() => setChecked(now));
  });
  const save = (): void => {
    setSaid(null);
    void task.run(async () => {
      try {
        await ask(`/scripts/${name}`, { method: "PUT", body: text, type: "text/plain" });
      } catch (why) {
        setFaults(found(why, name));
        throw why;
      }
      setKept(text);
    }).then((done) => setSaid(done ? "The script is active. Calls in progress keep their route." : null));
  };
  const changed = kept !== null && text !== kept;
  return (
    <>
      <Editor label={`Script ${name}`} text={text} change={setText} faults={faults} />
      <p role="status" class="verdict">
        {!changed ? <span class="faint">This text is active.</span>
          : checked !== text ? <span class="faint">Checking…</span>
          : faults.length > 0 ? <><span class="tag tag-bad">Invalid</span> It cannot be activated.</>
          : <><span class="tag tag-good">Valid</span> It compiles.</>}
      </p>
      <div class="row">
        <button type="button" class="main" disabled={!changed || task.busy || (checked === text && faults.length > 0)} onClick={save}>Save and make active</button>
        <button type="button" disabled={!changed} onClick={() => setText(kept ?? "")}>Discard changes</button>
      </div>
      <Said text={said} />
      <Trouble error={task.error} />
    </>
  );
}

function found(why: unknown, name: string): Fault[] {
  if (why instanceof Problem && why.faults.length > 0) return why.faults;
  return [{ severity: "error", line: 0, column: 0, path: name, what: sentence(why), hint: "" }];
}
