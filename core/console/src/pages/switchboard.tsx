/** The live switchboard: lines as lamps, calls, extensions, gateways, and system health. */

import type { JSX } from "preact";
import { Calls } from "../dashboard/calls";
import { Extensions, Gateways } from "../dashboard/parties";
import { Health } from "../dashboard/health";
import { Lines } from "../dashboard/lines";
import { useLive } from "../ui/hooks";

export function Switchboard(): JSX.Element {
  const { state } = useLive();
  if (!state) return <p class="empty">Waiting for the exchange…</p>;
  return (
    <>
      <Lines lines={Object.values(state.lines)} extensions={state.extensions} calls={state.calls} />
      <Calls calls={Object.values(state.calls)} />
      <div class="columns">
        <Extensions extensions={Object.values(state.extensions)} lines={state.lines} />
        <Gateways gateways={Object.values(state.gateways)} />
      </div>
      <Health state={state} />
    </>
  );
}
