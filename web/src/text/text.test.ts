import { describe, expect, it } from "vitest";
import { minute, second, windowWords } from "./moment";
import { count, fixed, ms, msChange, points, relative, share, usd, usdChange } from "./number";
import { command } from "./shell";

const plain = (text: string) => text.replaceAll("\u202f", " ").replaceAll("\u2212", "-");

describe("numbers carry the digits of the CLI", () => {
  // The right-hand sides are what Python's "%.Nf" prints.
  it.each([
    [0.125, 2, "0.12"],
    [0.375, 2, "0.38"],
    [2.5, 0, "2"],
    [3.5, 0, "4"],
    [0.5, 0, "0"],
    [1.005, 2, "1.00"],
    [2.675, 2, "2.67"],
    [0.00048828125, 6, "0.000488"],
    [0.0000005, 6, "0.000000"],
    [1e-7, 6, "0.000000"],
    [1234567.891, 2, "1234567.89"],
    [-0.125, 2, "-0.12"],
    [-0, 4, "-0.0000"],
    [999.995, 2, "1000.00"],
    [9.5, 0, "10"],
    [0.03125, 4, "0.0312"],
    [0.00390625, 7, "0.0039062"],
  ])("%d with %d decimals is %s", (x, digits, text) => {
    expect(fixed(x, digits)).toBe(text);
  });

  it("numbers that are none stay visible", () => {
    expect(fixed(Number.NaN, 2)).toBe("NaN");
    expect(fixed(Number.POSITIVE_INFINITY, 2)).toBe("Infinity");
  });

  it("money, time and shares have their units", () => {
    expect(usd(0.0009699999999999991)).toBe("$0.000970");
    expect(usd(12345.5)).toBe("$12,345.500000");
    expect(plain(usdChange(-0.0000581))).toBe("-$0.000058");
    expect(usdChange(0.00388)).toBe("+$0.003880");
    expect(plain(ms(1375.85))).toBe("1,375.85 ms");
    expect(plain(msChange(-38.6166))).toBe("-38.62 ms");
    expect(count(1234567)).toBe("1,234,567");
    expect(count(12)).toBe("12");
  });

  it("a share rounds as its four decimals do, and a change of it is in points", () => {
    expect(plain(share(0.11666666666666667))).toBe("11.67 %");
    expect(plain(share(0))).toBe("0.00 %");
    expect(plain(share(0.00005))).toBe("0.01 %");
    expect(plain(share(1))).toBe("100.00 %");
    expect(plain(points(0.0312))).toBe("+3.12 points");
    expect(plain(points(-0.0005))).toBe("-0.05 points");
    expect(plain(relative(4.0000000000000036))).toBe("+400.00 %");
    expect(plain(relative(-0.0598))).toBe("-5.98 %");
  });
});

describe("times are UTC", () => {
  it("to the minute and to the second, whatever zone they came in", () => {
    expect(minute("2026-11-24T19:19:25.845161+01:00")).toBe("2026-11-24 18:19 UTC");
    expect(second("2026-11-24T18:19:25.845161Z")).toBe("2026-11-24 18:19:25 UTC");
  });

  it("what is no time comes back as it is", () => {
    expect(minute("soon")).toBe("soon");
  });

  it("windows are said in words", () => {
    expect(windowWords("7d")).toBe("last 7 days");
    expect(windowWords("1H")).toBe("last hour");
    expect(windowWords("030m")).toBe("last 30 minutes");
    expect(windowWords("1_0d")).toBe("last 1_0d");
  });
});

describe("commands", () => {
  it("quote what a shell would take apart", () => {
    expect(command("flightdeck", "runs", "list", "rel_1; rm -rf ~", "--env", "it's")).toBe(
      `flightdeck runs list 'rel_1; rm -rf ~' --env 'it'\\''s'`,
    );
    expect(command("flightdeck", "runs", "list", "")).toBe("flightdeck runs list ''");
  });
});
