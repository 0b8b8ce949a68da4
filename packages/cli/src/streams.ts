/** Where a command writes: data to stdout, talk to stderr. */

export interface Streams {
  /** Data: complete text, with its final newline. */
  out(text: string): void;
  /** Talk: progress, warnings, errors. */
  talk(text: string): void;
  readonly isTerminal: boolean;
}

/** What a command is given besides its own arguments. */
export interface CommandContext extends Streams {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** 0: normal, 1: -v, 2: -vv. */
  readonly verbosity: number;
  readonly color: Palette;
  /** Aborted at Ctrl+C or SIGTERM: commands that run on stop then. */
  readonly stop: AbortSignal;
}

type Paint = (text: string) => string;

/** Colours of the talk; plain when NO_COLOR is set or stderr is no terminal. */
export interface Palette {
  readonly bold: Paint;
  readonly dim: Paint;
  readonly red: Paint;
  readonly green: Paint;
  readonly yellow: Paint;
}

export function createPalette(isColored: boolean): Palette {
  const paint =
    (open: number, close: number): Paint =>
    (text) =>
      isColored ? `\u001b[${open}m${text}\u001b[${close}m` : text;
  return {
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
  };
}

/** The process's own streams. A reader that goes away (`coco ... | head`) ends the process. */
export function processStreams(): Streams {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(0);
      throw error;
    });
  }
  return {
    out: (text) => void process.stdout.write(text),
    talk: (text) => void process.stderr.write(text),
    isTerminal: process.stderr.isTTY === true,
  };
}

/** Rows as aligned columns, two spaces apart; no spaces at line ends. */
export function toTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    });
  }
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
  return lines.map((line) => `${line}\n`).join("");
}

/** One line of JSON. */
export function toJsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
