/** Virtual telephones and the virtual central office of every simulated board. */

import type { JSX } from "preact";
import { useMemo, useState } from "preact/hooks";
import { sentence } from "../api";
import { OfficeLine } from "../phone/office";
import { Telephone } from "../phone/telephone";
import { Sim } from "../phone/sim";
import type { Port } from "../phone/sim";
import { useLive, usePoll } from "../ui/hooks";
import { Empty, Trouble } from "../ui/parts";
import type { Line } from "../types";

/** How often bells and hooks are looked at, ms: well within a ring burst. */
const GLANCE = 200;

export function Telephones(): JSX.Element {
  const { state } = useLive();
  if (!state) return <p class="empty">Waiting for the exchange…</p>;
  const boards = Object.values(state.boards).filter((board) => /virtual/.test(board.driver));
  if (boards.length === 0) {
    return <Empty>No simulated board is configured; give a line the port <code>virtual:0</code> to see a telephone here.</Empty>;
  }
  const lines = Object.values(state.lines);
  return <>{boards.map((board) => <SimulatedBoard key={board.id} board={board.id} up={board.up} lines={lines} />)}</>;
}

function SimulatedBoard({ board, up, lines }: { board: string; up: boolean; lines: Line[] }): JSX.Element {
  const { state } = useLive();
  const sim = useMemo(() => new Sim(board), [board]);
  const [ports, setPorts] = useState<Port[]>([]);
  const [error, setError] = useState<string | null>(null);
  const refresh = async (): Promise<void> => {
    try {
      setPorts(await sim.ports());
      setError(null);
    } catch (why) {
      setError(`Board ${board}: ${sentence(why)}`);
    }
  };
  usePoll(refresh, GLANCE, up);
  const lineOf = (port: Port): Line | undefined => lines.find((line) => line.port === `${board}:${port.port}`);
  const shown = ports.filter((port) => lineOf(port) !== undefined);
  const name = (line: Line): string => {
    const ext = line.extension === null ? undefined : state?.extensions[line.extension];
    return ext ? `${ext.id} · ${ext.name}` : line.id;
  };
  return (
    <>
      <Trouble error={up ? error : `Board ${board} is down; it is being restarted.`} />
      <div class="telephones">
        {shown.map((port) => {
          const line = lineOf(port);
          if (line === undefined || port.kind !== "fxs") return null;
          return <Telephone key={port.port} sim={sim} port={port} line={line} name={name(line)} refresh={refresh} />;
        })}
      </div>
      <div class="offices">
        {shown.map((port) => {
          const line = lineOf(port);
          if (line === undefined || port.kind !== "fxo") return null;
          return <OfficeLine key={port.port} sim={sim} port={port} line={line} refresh={refresh} />;
        })}
      </div>
    </>
  );
}
