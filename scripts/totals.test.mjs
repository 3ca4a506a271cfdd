import assert from "node:assert/strict";
import { test } from "node:test";
import { cargoTest, closingLine, judge, nextest, nodeTest, none, sum, vitest } from "./totals.mjs";

test("the summary of nextest is read, colours and remarks aside", () => {
  const output = "  PASS [0.1s] a\n\u001b[32m     Summary\u001b[0m [   1.2s] 9 tests run: 7 passed (1 slow, 1 leaky), 1 failed, 1 timed out, 2 skipped\n";
  assert.deepEqual(nextest(output), { passed: 7, failed: 2, skipped: 2 });
  const broken = "     Summary [   1.2s] 3 tests run: 1 passed, 1 failed, 1 exec failed, 0 skipped\n";
  assert.deepEqual(nextest(broken), { passed: 1, failed: 2, skipped: 0 });
  assert.deepEqual(nextest("Summary [ 0.1s] 1 test run: 1 passed, 0 skipped"), { passed: 1, failed: 0, skipped: 0 });
  assert.deepEqual(nextest("error: could not compile"), none);
});

test("the results of all test programs of cargo are summed", () => {
  const output =
    "test result: ok. 50 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.13s\n" +
    "test result: FAILED. 1 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.13s\n";
  assert.deepEqual(cargoTest(output), { passed: 51, failed: 3, skipped: 2 });
});

test("the report of vitest is read", () => {
  const report = { numPassedTests: 4, numFailedTests: 1, numPendingTests: 2, numTodoTests: 1 };
  assert.deepEqual(vitest(JSON.stringify(report)), { passed: 4, failed: 1, skipped: 3 });
});

test("the closing lines of node are read", () => {
  const output = "✔ a (1ms)\nℹ tests 6\nℹ suites 0\nℹ pass 3\nℹ fail 1\nℹ cancelled 1\nℹ skipped 1\nℹ todo 0\n";
  assert.deepEqual(nodeTest(output), { passed: 3, failed: 2, skipped: 1 });
});

test("a runner that crashed or ran nothing counts as failed", () => {
  const some = { passed: 2, failed: 0, skipped: 0 };
  assert.deepEqual(judge(some, 0), some);
  assert.equal(judge(some, 101).failed, 1);
  assert.equal(judge(none, 0).failed, 1);
  assert.equal(judge({ passed: 0, failed: 3, skipped: 0 }, 1).failed, 3);
  assert.equal(judge({ passed: 0, failed: 0, skipped: 2 }, 0).failed, 0);
});

test("all runners give one closing line", () => {
  const all = sum([
    { passed: 1, failed: 0, skipped: 2 },
    { passed: 3, failed: 4, skipped: 5 },
  ]);
  assert.equal(closingLine(all), "4 passed, 4 failed, 7 skipped");
});
