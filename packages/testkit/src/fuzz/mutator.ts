/** Random changes of inputs, repeatable from a seed. */

/** A small fast generator (xorshift32); not for anything secret. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed | 0) === 0 ? 0x9e37_79b9 : seed | 0;
  }

  /** 32 bits. */
  next(): number {
    let state = this.#state;
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    this.#state = state;
    return state >>> 0;
  }

  /** 0 to `limit` - 1. */
  below(limit: number): number {
    return limit <= 1 ? 0 : this.next() % limit;
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }
}

/** Values at which length fields and counters break. */
const interestingBytes = [0, 1, 0x0a, 0x0d, 0x20, 0x2d, 0x30, 0x3a, 0x7f, 0x80, 0x9f, 0xbf, 0xff];
const interestingWords = [
  0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x1_0000, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff,
];

export interface MutatorOptions {
  readonly random: SeededRandom;
  /** Longest input that is made. */
  readonly sizeBytesMax: number;
  /** Texts of the format: inserted and written over. */
  readonly dictionary?: readonly (string | Uint8Array)[];
}

type Mutation = (input: Buffer, random: SeededRandom) => Buffer;

/** Stacks a few random changes onto a copy of `input`; `other` is spliced in now and then. */
export function mutate(options: MutatorOptions, input: Uint8Array, other: Uint8Array): Buffer {
  const { random, sizeBytesMax, dictionary = [] } = options;
  const tokens = dictionary.map((token) => Buffer.from(token as Uint8Array));
  let bytes: Buffer = Buffer.from(input);
  const count = 1 << random.below(6);
  for (let step = 0; step < count; step++) {
    const choice = random.below(mutations.length + (tokens.length > 0 ? 3 : 0) + 1);
    if (choice < mutations.length) bytes = mutations[choice]!(bytes, random);
    else if (choice === mutations.length) bytes = splice(bytes, other, random);
    else bytes = insert(bytes, random.below(bytes.length + 1), random.pick(tokens));
  }
  return bytes.length > sizeBytesMax ? bytes.subarray(0, sizeBytesMax) : bytes;
}

function place(bytes: Buffer, random: SeededRandom): number {
  return random.below(bytes.length);
}

function insert(bytes: Buffer, at: number, part: Uint8Array): Buffer {
  return Buffer.concat([bytes.subarray(0, at), part, bytes.subarray(at)]);
}

function splice(bytes: Buffer, other: Uint8Array, random: SeededRandom): Buffer {
  const start = random.below(other.length + 1);
  return Buffer.concat([bytes.subarray(0, place(bytes, random)), other.subarray(start)]);
}

function overwrite(change: (bytes: Buffer, at: number, random: SeededRandom) => void): Mutation {
  return (bytes, random) => {
    if (bytes.length > 0) change(bytes, place(bytes, random), random);
    return bytes;
  };
}

/** Writes a whole number of 2, 4 or 8 bytes in either order, as far as there is room. */
function writeWord(bytes: Buffer, at: number, random: SeededRandom): void {
  const value = random.pick(interestingWords) + (random.below(8) === 0 ? bytes.length : 0);
  const sizeBytes = random.pick([2, 4, 8]);
  const isLittle = random.below(2) === 0;
  for (let index = 0; index < sizeBytes && at + index < bytes.length; index++) {
    const digit = isLittle ? index : sizeBytes - 1 - index;
    bytes[at + index] = digit >= 6 ? 0 : Math.floor(value / 256 ** digit) & 0xff;
  }
}

const mutations: readonly Mutation[] = [
  overwrite((bytes, at, random) => {
    bytes[at]! ^= 1 << random.below(8);
  }),
  overwrite((bytes, at, random) => {
    bytes[at] = random.next();
  }),
  overwrite((bytes, at, random) => {
    bytes[at] = random.pick(interestingBytes);
  }),
  overwrite((bytes, at, random) => {
    bytes[at] = bytes[at]! + random.below(35) - 17;
  }),
  overwrite(writeWord),
  // Part of the input to another place in it.
  overwrite((bytes, at, random) => {
    const start = place(bytes, random);
    bytes.copyWithin(at, start, start + random.below(64));
  }),
  // A block is left out.
  (bytes, random) => {
    const at = place(bytes, random);
    const end = at + 1 + random.below(Math.min(64, bytes.length));
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
  },
  // A block occurs twice, or very often.
  (bytes, random) => {
    const at = place(bytes, random);
    const block = bytes.subarray(at, at + 1 + random.below(64));
    const times = random.below(20) === 0 ? 200 : 1;
    return insert(bytes, at, Buffer.concat(Array.from({ length: times }, () => block)));
  },
  // New bytes.
  (bytes, random) => {
    const fill = random.pick(interestingBytes);
    return insert(bytes, place(bytes, random), Buffer.alloc(1 + random.below(32), fill));
  },
  // The end is cut off.
  (bytes, random) => bytes.subarray(0, place(bytes, random)),
];
