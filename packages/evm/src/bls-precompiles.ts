/**
 * The operations on the curve BLS12-381: 0x0b to 0x11.
 * @source EIP-2537
 */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bytesToNumber, numberToBytes, type PrecompileResult, priced } from "./precompile-input.ts";

const { G1, G2, fields } = bls12_381;
const { Fp, Fp2, Fp12 } = fields;

type Point = InstanceType<typeof G1.Point>;
type TwistPoint = InstanceType<typeof G2.Point>;

/** What a number of pairs costs less than each alone, in thousandths; the last is for all above. */
const discounts1 = readTable(
  "1000 949 848 797 764 750 738 728 719 712 705 698 692 687 682 677 " +
    "673 669 665 661 658 654 651 648 645 642 640 637 635 632 630 627 " +
    "625 623 621 619 617 615 613 611 609 608 606 604 603 601 599 598 " +
    "596 595 593 592 591 589 588 586 585 584 582 581 580 579 577 576 " +
    "575 574 573 572 570 569 568 567 566 565 564 563 562 561 560 559 " +
    "558 557 556 555 554 553 552 551 550 549 548 547 547 546 545 544 " +
    "543 542 541 540 540 539 538 537 536 536 535 534 533 532 532 531 " +
    "530 529 528 528 527 526 525 525 524 523 522 522 521 520 520 519",
);
const discounts2 = readTable(
  "1000 1000 923 884 855 832 812 796 782 770 759 749 740 732 724 717 " +
    "711 704 699 693 688 683 679 674 670 666 663 659 655 652 649 646 " +
    "643 640 637 634 632 629 627 624 622 620 618 615 613 611 609 607 " +
    "606 604 602 600 598 597 595 593 592 590 589 587 586 584 583 582 " +
    "580 579 578 576 575 574 573 571 570 569 568 567 566 565 563 562 " +
    "561 560 559 558 557 556 555 554 553 552 552 551 550 549 548 547 " +
    "546 545 545 544 543 542 541 541 540 539 538 537 537 536 535 535 " +
    "534 533 532 532 531 530 530 529 528 528 527 526 526 525 524 524",
);

function readTable(text: string): readonly bigint[] {
  return text.split(" ").map(BigInt);
}

export function runBlsPrecompile(
  id: number,
  input: Uint8Array,
  gas: bigint,
): PrecompileResult | undefined {
  switch (id) {
    case 0x0b:
      return priced(375n, gas, () => add1(input));
    case 0x0c:
      return priced(sumGas(input, 160, 12_000n, discounts1), gas, () => sum1(input));
    case 0x0d:
      return priced(600n, gas, () => add2(input));
    case 0x0e:
      return priced(sumGas(input, 288, 22_500n, discounts2), gas, () => sum2(input));
    case 0x0f:
      return priced(37_700n + 32_600n * BigInt(Math.floor(input.length / 384)), gas, () => {
        return pair(input);
      });
    case 0x10:
      return priced(5500n, gas, () => map1(input));
    case 0x11:
      return priced(23_800n, gas, () => map2(input));
    default:
      return undefined;
  }
}

function sumGas(
  input: Uint8Array,
  size: number,
  each: bigint,
  discounts: readonly bigint[],
): bigint {
  const count = Math.floor(input.length / size);
  const discount = discounts[Math.min(count, discounts.length) - 1] ?? 0n;
  return (BigInt(count) * each * discount) / 1000n;
}

function hasSize(input: Uint8Array, size: number): boolean {
  return input.length === size;
}

function isWhole(input: Uint8Array, size: number): boolean {
  return input.length > 0 && input.length % size === 0;
}

function add1(input: Uint8Array): Uint8Array | undefined {
  if (!hasSize(input, 256)) return undefined;
  return write1(read1(input, 0).add(read1(input, 128)));
}

function add2(input: Uint8Array): Uint8Array | undefined {
  if (!hasSize(input, 512)) return undefined;
  return write2(read2(input, 0).add(read2(input, 256)));
}

function sum1(input: Uint8Array): Uint8Array | undefined {
  if (!isWhole(input, 160)) return undefined;
  let sum = G1.Point.ZERO;
  for (let at = 0; at < input.length; at += 160) {
    const point = checkSubgroup(read1(input, at));
    const factor = bytesToNumber(input.subarray(at + 128, at + 160)) % fields.Fr.ORDER;
    if (factor !== 0n && !point.is0()) sum = sum.add(point.multiplyUnsafe(factor));
  }
  return write1(sum);
}

function sum2(input: Uint8Array): Uint8Array | undefined {
  if (!isWhole(input, 288)) return undefined;
  let sum = G2.Point.ZERO;
  for (let at = 0; at < input.length; at += 288) {
    const point = checkSubgroup(read2(input, at));
    const factor = bytesToNumber(input.subarray(at + 256, at + 288)) % fields.Fr.ORDER;
    if (factor !== 0n && !point.is0()) sum = sum.add(point.multiplyUnsafe(factor));
  }
  return write2(sum);
}

function pair(input: Uint8Array): Uint8Array | undefined {
  if (!isWhole(input, 384)) return undefined;
  const pairs: { g1: Point; g2: TwistPoint }[] = [];
  for (let at = 0; at < input.length; at += 384) {
    const g1 = checkSubgroup(read1(input, at));
    const g2 = checkSubgroup(read2(input, at + 128));
    if (!g1.is0() && !g2.is0()) pairs.push({ g1, g2 });
  }
  const isOne = pairs.length === 0 || Fp12.eql(bls12_381.pairingBatch(pairs), Fp12.ONE);
  const output = new Uint8Array(32);
  output[31] = isOne ? 1 : 0;
  return output;
}

// The types of the library name a list of numbers and plain coordinates; what its functions take
// for the first curve is one number, and what they give is a point.
type Map1 = (value: bigint) => Point;
type Map2 = (parts: bigint[]) => TwistPoint;

function map1(input: Uint8Array): Uint8Array | undefined {
  if (!hasSize(input, 64)) return undefined;
  return write1((G1.mapToCurve as unknown as Map1)(readCoordinate(input, 0)));
}

function map2(input: Uint8Array): Uint8Array | undefined {
  if (!hasSize(input, 128)) return undefined;
  const parts = [readCoordinate(input, 0), readCoordinate(input, 64)];
  return write2((G2.mapToCurve as unknown as Map2)(parts));
}

function checkSubgroup<P extends Point | TwistPoint>(point: P): P {
  if (!point.is0() && !point.isTorsionFree()) throw new RangeError("not in the subgroup");
  return point;
}

/** Throws when the numbers are no point of the curve; the subgroup is not looked at. */
function read1(input: Uint8Array, at: number): Point {
  const x = readCoordinate(input, at);
  const y = readCoordinate(input, at + 64);
  if (x === 0n && y === 0n) return G1.Point.ZERO;
  const isOnCurve = Fp.eql(Fp.sqr(y), Fp.add(Fp.mul(Fp.sqr(x), x), G1.Point.CURVE().b));
  if (!isOnCurve) throw new RangeError("not on the curve");
  return G1.Point.fromAffine({ x, y });
}

function read2(input: Uint8Array, at: number): TwistPoint {
  const [x0, x1, y0, y1] = [0, 64, 128, 192].map((offset) => readCoordinate(input, at + offset));
  const x = Fp2.fromBigTuple([x0!, x1!]);
  const y = Fp2.fromBigTuple([y0!, y1!]);
  if (Fp2.is0(x) && Fp2.is0(y)) return G2.Point.ZERO;
  const isOnCurve = Fp2.eql(Fp2.sqr(y), Fp2.add(Fp2.mul(Fp2.sqr(x), x), G2.Point.CURVE().b));
  if (!isOnCurve) throw new RangeError("not on the curve");
  return G2.Point.fromAffine({ x, y });
}

function readCoordinate(input: Uint8Array, at: number): bigint {
  const value = bytesToNumber(input.subarray(at, at + 64));
  if (value >= Fp.ORDER) throw new RangeError("a coordinate is not below the field's order");
  return value;
}

function write1(point: Point): Uint8Array {
  const output = new Uint8Array(128);
  if (point.is0()) return output;
  const { x, y } = point.toAffine();
  output.set(numberToBytes(x, 64));
  output.set(numberToBytes(y, 64), 64);
  return output;
}

function write2(point: TwistPoint): Uint8Array {
  const output = new Uint8Array(256);
  if (point.is0()) return output;
  const { x, y } = point.toAffine();
  for (const [index, value] of [x.c0, x.c1, y.c0, y.c1].entries()) {
    output.set(numberToBytes(value, 64), 64 * index);
  }
  return output;
}
