/**
 * Renders the components in Chromium, in every state, at desktop and phone width, left to right and right to left:
 * axe must find nothing, nothing may overflow, nothing may be logged. Pictures go to docs/pictures with --keep.
 *
 *   node tools/browser/check.mjs [--keep DIR] [--synced DIR] [--only NAME] [--standings FILE] [--payouts FILE]
 *
 * FILE: records as a REST query of the org gives them; without, those in tools/browser/records, made for every state.
 * --synced: standings.json and payouts.json that a real sync wrote, shown as well. Exit 0 all well, 1 findings,
 * 3 no browser.
 */
import { createServer } from "node:http";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { parseArgs } from "node:util";
import axe from "axe-core";
import { chromium } from "playwright-core";
import { ROOT } from "./package.mjs";

const RECORDS = `${ROOT}tools/browser/records`;
const { values: options } = parseArgs({
    options: {
        keep: { type: "string" },
        standings: { type: "string", default: `${RECORDS}/standings.json` },
        payouts: { type: "string", default: `${RECORDS}/payouts.json` },
        synced: { type: "string" },
        only: { type: "string" },
        browser: { type: "string", default: process.env.CHROMIUM ?? "/usr/bin/chromium" }
    }
});
if (!existsSync(options.browser)) {
    console.error(`no browser at ${options.browser}: install Chromium or set CHROMIUM`);
    process.exit(3);
}

const records = (file) => JSON.parse(readFileSync(file, "utf8")).records;
const standings = records(options.standings);
const payouts = records(options.payouts);
const account = standings[0].Account__c;
const HOUR = 3600000;
/** Twenty minutes after the sync that wrote them. */
const shortlyAfter = (rows) => Math.max(...rows.map((row) => Date.parse(row.Last_Synced__c ?? 0))) + HOUR / 3;
const now = shortlyAfter(standings);

const all = { standings, payouts };
const denied = { error: { status: 403, body: { errorCode: "INSUFFICIENT_ACCESS", message: "You do not have access." } } };
const failed = { error: { status: 500, body: { errorCode: "SERVER_UNAVAILABLE", message: "The server did not answer." } } };
const broken = standings.map((row) => ({ ...row, Tier_Ladder__c: "{", Contributions__c: "[", Incomplete__c: "2 orders could not be read" }));
const card = { component: "c-rebate-progress", properties: { recordId: account } };
const one = { ...card, properties: { recordId: account, maxPrograms: 1 } };
const book = { component: "c-rebate-opportunities", properties: { maxRows: 10 } };

/** name, what is shown; `picture`: the sizes whose picture is worth keeping */
const scenarios = [
    { name: "programs", ...card, content: all, expect: /worth/, keyboard: true, picture: ["desktop", "phone", "rtl"] },
    { name: "spanish", ...one, content: all, language: "es", locale: "es-MX", expect: /Avance de rebates[^]*Cerca del nivel[^]*En revisión/, picture: ["desktop"] },
    { name: "stale", ...one, content: all, now: now + 72 * HOUR, expect: /Out of date/, picture: ["desktop"] },
    { name: "loading", ...card, content: {}, expect: /Loading/, picture: ["desktop"] },
    { name: "none", ...card, content: { standings: [], payouts: [] }, expect: /No rebate program yet/, picture: ["desktop"] },
    { name: "no-access", ...card, content: denied, expect: /You cannot see rebates/, picture: ["desktop"] },
    { name: "failed", ...card, content: failed, expect: /The server did not answer/ },
    {
        name: "partial",
        ...one,
        content: { ...all, hidden: ["Rebate__c", "Rebate_at_Next_Tier__c"] },
        expect: /Hidden from you: Rebate, Rebate at Next Tier/,
        picture: ["desktop"]
    },
    { name: "broken", ...card, content: { standings: broken, payouts }, expect: /cannot be read[^]*Incomplete: 2 orders/ },
    { name: "book", ...book, content: all, wide: true, expect: /to next tier/i, picture: ["phone", "rtl"] },
    { name: "book-loading", ...book, content: {}, wide: true, expect: /Loading/ },
    { name: "book-none", ...book, content: { standings: [] }, wide: true, expect: /Nothing to win right now/ },
    { name: "book-no-access", ...book, content: denied, wide: true, expect: /You cannot see rebates/ }
];
if (options.synced) {
    const content = {
        standings: records(`${options.synced}/standings.json`),
        payouts: records(`${options.synced}/payouts.json`)
    };
    const told = content.standings.find((row) => row.Status__c === "Near_Next_Tier");
    if (!told) throw new Error(`${options.synced}: no standing is near its next tier`);
    scenarios.push(
        {
            name: "progress",
            ...card,
            properties: { recordId: told.Account__c, maxPrograms: 1 },
            content,
            now: shortlyAfter(content.standings),
            expect: /\$4,812 to 15%: worth \$5,240 more, 7 days left/,
            picture: ["desktop", "phone"]
        },
        {
            name: "opportunities",
            ...book,
            content,
            now: shortlyAfter(content.standings),
            wide: true,
            expect: /\$4,812 to 15%/,
            picture: ["desktop"]
        }
    );
}
const shown = scenarios.filter((scenario) => !options.only || scenario.name === options.only);
const sizes = {
    desktop: { width: 1280, height: 900, direction: "ltr" },
    phone: { width: 320, height: 720, direction: "ltr" },
    rtl: { width: 1280, height: 900, direction: "rtl" },
    "phone-rtl": { width: 320, height: 720, direction: "rtl" }
};

const types = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };
const server = createServer(async (request, response) => {
    const path = new URL(request.url, "http://x").pathname;
    try {
        const body = await readFile(`${ROOT}build/browser${path === "/" ? "/index.html" : path}`);
        response.writeHead(200, { "content-type": types[extname(path) || ".html"] ?? "application/octet-stream" });
        response.end(body);
    } catch {
        response.writeHead(404).end(); // reported below: every reply of 400 and more is a finding
    }
}).listen(0, "127.0.0.1");
await new Promise((resolve) => server.once("listening", resolve));
const address = `http://127.0.0.1:${server.address().port}/`;
const browser = await chromium.launch({
    executablePath: options.browser,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
});
if (options.keep) mkdirSync(options.keep, { recursive: true });

/** A section folds and a link opens with the Enter key alone. */
async function byKeyboard(page) {
    const problems = [];
    const summary = page.locator("summary").first();
    const isOpen = () => summary.evaluate((node) => node.parentElement.open);
    const before = await isOpen();
    await summary.focus();
    await page.keyboard.press("Enter");
    if ((await isOpen()) === before) problems.push("the Enter key does not fold the first section");
    await page.locator("c-rebate-program a").first().focus();
    await page.keyboard.press("Enter");
    const visited = await page.evaluate(() => window.org.visited);
    if (!/Rebate_Standing__c/.test(visited[0] ?? "")) problems.push("the Enter key does not open the standing");
    return problems;
}

const findings = [];
let looked = 0;
for (const [size, { width, height, direction }] of Object.entries(sizes)) {
    const context = await browser.newContext({ viewport: { width, height }, deviceScaleFactor: 2, reducedMotion: "reduce" });
    for (const scenario of shown) {
        const where = `${scenario.name} (${size})`;
        const page = await context.newPage();
        page.on("console", (m) => ["error", "warning"].includes(m.type()) && findings.push(`${where}: ${m.text()}`));
        page.on("pageerror", (error) => findings.push(`${where}: ${error.message}`));
        page.on("response", (r) => r.status() >= 400 && findings.push(`${where}: ${r.status()} ${r.url()}`));
        await page.clock.setFixedTime(scenario.now ?? now);
        await page.goto(address);
        await page.waitForFunction(() => window.ready);
        await page.evaluate((what) => window.show(what), {
            ...scenario,
            expect: undefined,
            direction,
            language: scenario.language ?? "en",
            locale: scenario.locale ?? "en-US",
            width: scenario.wide ? "60rem" : "30rem"
        });
        await page.waitForTimeout(150); // icons come as modules of their own
        const text = await page.locator("#app").innerText();
        if (scenario.expect && !scenario.expect.test(text)) findings.push(`${where}: expected ${scenario.expect}, shows ${text.slice(0, 200)}`);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
        if (overflow > 0) findings.push(`${where}: ${overflow} px wider than the screen`);
        if (options.keep && scenario.picture?.includes(size)) {
            const name = size === "desktop" ? scenario.name : `${scenario.name}-${size}`;
            await page.locator("#app").screenshot({ path: `${options.keep}/rebate-${name}.png` });
        }
        await page.evaluate(axe.source);
        const result = await page.evaluate(() =>
            window.axe.run(document.querySelector("#app"), { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
                rules: { region: { enabled: false }, "heading-order": { enabled: false } } })
        );
        for (const v of result.violations) {
            findings.push(`${where}: axe ${v.id}: ${v.nodes[0].html.slice(0, 160)} ${v.nodes[0].failureSummary}`);
        }
        if (scenario.keyboard) findings.push(...(await byKeyboard(page)).map((finding) => `${where}: ${finding}`));
        looked += 1;
        await page.close();
    }
    await context.close();
}
await browser.close();
server.close();
for (const finding of findings) console.error(finding);
console.log(`${looked} views looked at, ${findings.length} findings`);
process.exit(findings.length ? 1 : 0);
