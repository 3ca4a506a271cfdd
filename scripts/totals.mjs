// Reads how many tests passed, failed and were skipped from what a test runner printed.

export const none = { passed: 0, failed: 0, skipped: 0 };

export function sum(all) {
  return all.reduce(
    (left, right) => ({
      passed: left.passed + right.passed,
      failed: left.failed + right.failed,
      skipped: left.skipped + right.skipped,
    }),
    none,
  );
}

/** The closing line, alone on its line. */
export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

/** `Summary [ 1.2s] 9 tests run: 7 passed (1 slow), 1 failed, 1 timed out, 2 skipped` */
export function nextest(output) {
  const line = plain(output)
    .split("\n")
    .findLast((text) => /^\s*Summary \[.*tests? run:/.test(text));
  if (!line) return none;
  const count = (word) => Number(line.match(new RegExp(`(\\d+) ${word}`))?.[1] ?? 0);
  const failed = [...line.matchAll(/(\d+) (?:exec )?failed\b/g)].reduce((all, found) => all + Number(found[1]), 0);
  return { passed: count("passed"), failed: failed + count("timed out"), skipped: count("skipped") };
}

/** `test result: FAILED. 7 passed; 1 failed; 2 ignored; …`, once per test program. */
export function cargoTest(output) {
  const results = plain(output).matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored;/gm);
  return sum([...results].map(([, passed, failed, skipped]) => counts(passed, failed, skipped)));
}

/** The JSON report of vitest. */
export function vitest(json) {
  const report = JSON.parse(json);
  return counts(report.numPassedTests, report.numFailedTests, report.numPendingTests + report.numTodoTests);
}

/** The closing lines of node's own runner: `ℹ pass 7`, each on a line. */
export function nodeTest(output) {
  const count = (word) => Number(plain(output).match(new RegExp(`^(?:ℹ|#) ${word} (\\d+)$`, "m"))?.[1] ?? 0);
  return counts(count("pass"), count("fail") + count("cancelled"), count("skipped") + count("todo"));
}

/**
 * What a run counts as, given its exit code. A runner that failed without naming a failed test
 * (it did not compile, it crashed), or that ran nothing, counts as one failed test.
 */
export function judge(totals, exitCode) {
  const ranNothing = totals.passed + totals.failed + totals.skipped === 0;
  if (totals.failed > 0 || (exitCode === 0 && !ranNothing)) return totals;
  return { ...totals, failed: 1 };
}

function counts(passed, failed, skipped) {
  return { passed: Number(passed), failed: Number(failed), skipped: Number(skipped) };
}

function plain(output) {
  return output.replace(/\u001b\[[0-9;]*m/g, "");
}
