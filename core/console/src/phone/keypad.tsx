import type { JSX } from "preact";

const KEYS: [key: string, letters: string, name: string][] = [
  ["1", "", "1"], ["2", "ABC", "2"], ["3", "DEF", "3"],
  ["4", "GHI", "4"], ["5", "JKL", "5"], ["6", "MNO", "6"],
  ["7", "PQRS", "7"], ["8", "TUV", "8"], ["9", "WXYZ", "9"],
  ["*", "", "star"], ["0", "", "0"], ["#", "", "hash"],
];

interface Props {
  press: (key: string) => void;
  disabled: boolean;
  /** A rotary dial has no star and no hash. */
  pulse: boolean;
}

export function Keypad({ press, disabled, pulse }: Props): JSX.Element {
  return (
    <div class="keypad" role="group" aria-label="Keys">
      {KEYS.map(([key, letters, name]) => (
        <button key={key} type="button" disabled={disabled || (pulse && !/\d/.test(key))} aria-label={name} data-key={key}
          onClick={() => press(key)}>
          <span>{key}</span><small aria-hidden="true">{letters}</small>
        </button>
      ))}
    </div>
  );
}
