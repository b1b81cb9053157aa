/** Labels have their real words in tests, accessibility has its matcher, and time stands still. */
const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { registerSa11yMatcher } = require("@sa11y/jest");

const file = join(__dirname, "../../force-app/main/default/labels/CustomLabels.labels-meta.xml");
for (const [, name, value] of readFileSync(file, "utf8").matchAll(
    /<fullName>(\w+)<\/fullName>[^]*?<value>([^<]*)<\/value>/g
)) {
    jest.doMock(`@salesforce/label/c.${name}`, () => ({ __esModule: true, default: value }), { virtual: true });
}

registerSa11yMatcher();

// axe asks every element for its value; LWC warns of each asking. Any other warning or error fails the test.
const HARMLESS = /The property "value" is not publicly accessible/;
const said = [];
for (const level of ["warn", "error"]) {
    jest.spyOn(console, level).mockImplementation((...words) => {
        if (!HARMLESS.test(words.join(" "))) said.push(words.join(" "));
    });
}

beforeEach(() => {
    jest.useFakeTimers({ now: new Date("2026-11-24T15:00:00Z"), doNotFake: ["nextTick", "setTimeout", "setImmediate", "queueMicrotask"] });
});

afterEach(() => {
    document.body.replaceChildren();
    jest.useRealTimers();
    expect(said.splice(0)).toEqual([]);
});
