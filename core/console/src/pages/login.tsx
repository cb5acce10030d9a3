import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { ask } from "../api";
import { Field, Trouble } from "../ui/parts";
import { useTask } from "../ui/hooks";

/** The door. The session is a cookie that scripts cannot read; the secret is kept nowhere. */
export function Login({ then }: { then: () => void }): JSX.Element {
  const [secret, setSecret] = useState("");
  const task = useTask();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = "Log in · Ringtrip";
    input.current?.focus();
  }, []);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    const entered = await task.run(() => ask("/login", { json: { secret: secret.trim() } }));
    if (entered) then();
    else input.current?.select();
  };
  return (
    <main class="door">
      <form class="card" onSubmit={(e) => void submit(e)}>
        <h1><img src="/icon.svg" alt="" width="34" height="34" /> Ringtrip</h1>
        {/* Password managers want a name beside the secret. */}
        <input class="unseen" type="text" name="username" autocomplete="username" value="admin" tabIndex={-1} aria-hidden="true" readOnly />
        <Field label="Admin secret">
          <input ref={input} type="password" name="secret" autocomplete="current-password" required
            value={secret} onInput={(e) => setSecret(e.currentTarget.value)} />
        </Field>
        <Trouble error={task.error} />
        <button type="submit" class="main" disabled={task.busy}>{task.busy ? "Checking…" : "Log in"}</button>
        {task.error === null && (
          <p class="hint">
            The exchange printed it at its first start. Lost? <code>ringtrip admin reset-secret</code> makes a new one.
          </p>
        )}
      </form>
    </main>
  );
}
