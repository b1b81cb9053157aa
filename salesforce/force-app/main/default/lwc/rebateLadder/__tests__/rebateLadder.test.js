import { createElement } from "lwc";
import RebateLadder from "c/rebateLadder";
import { settled, words } from "../../../../../../tools/jest/records";

const TIERS = [
    { name: "Silver", threshold: 20000, benefit: "10 %" },
    { name: "Gold", threshold: 50000, benefit: "15 %" },
    { name: "Platinum", threshold: 100000, benefit: "18 %" }
];

/** `tiers` without a word of their own on it are reached from their threshold on. */
async function ladder(value, { forecast = null, tiers = TIERS, qualifier = "Amount" } = {}) {
    const element = createElement("c-rebate-ladder", { is: RebateLadder });
    const told = tiers.map((tier) => ({ reached: tier.threshold <= value, ...tier }));
    Object.assign(element, { ladder: { value, forecast, tiers: told }, program: "Retail", qualifier, currency: "USD" });
    document.body.append(element);
    await settled();
    const widths = (css) =>
        [...element.shadowRoot.querySelectorAll(css)].map((node) => Number(node.style.inlineSize.replace("%", "")));
    const bar = element.shadowRoot.querySelector("[role=progressbar]");
    return { element, bar, done: widths(".done"), likely: widths(".likely") };
}

describe("the tier ladder", () => {
    it("fills bands below the value, and the one it lies in by its share", async () => {
        const { done, bar } = await ladder(45000);
        expect(done).toHaveLength(4); // below the first tier, and one band a tier
        expect(done[0]).toBe(100);
        expect(done[1]).toBeCloseTo(83.33, 1);
        expect(done.slice(2)).toEqual([0, 0]);
        expect(bar.getAttribute("aria-valuetext")).toBe("$45,000.00 of $50,000.00 needed for Gold");
        expect(bar.getAttribute("aria-label")).toBe("Tier ladder of Retail");
    });

    it("is full at the top tier, however far beyond", async () => {
        const { done, bar } = await ladder(1000000);
        expect(done).toEqual([100, 100, 100, 100]);
        expect(bar.getAttribute("aria-valuetext")).toBe("$1,000,000.00: top tier reached");
        expect(bar.getAttribute("aria-valuenow")).toBe("100");
    });

    it("tints what is missing up to the next tier, and not a step further", async () => {
        const { element } = await ladder(45000);
        const widths = [...element.shadowRoot.querySelectorAll(".missing")].map((node) => node.style.inlineSize);
        expect(widths).toEqual(["100.00%", "100.00%", "0.00%", "0.00%"]);
        const atTop = await ladder(200000);
        expect(atTop.element.shadowRoot.querySelector(".missing").style.inlineSize).toBe("0.00%");
    });

    it("reaches a tier exactly at its threshold", async () => {
        const { element, done } = await ladder(50000);
        expect(done[1]).toBe(100);
        expect(done[2]).toBe(0);
        expect(element.shadowRoot.querySelector(".marks .mark_current").textContent).toContain("Gold");
    });

    it("reaches no tier that something else holds back, however far beyond its threshold", async () => {
        const tiers = TIERS.map((tier) => ({ ...tier, reached: tier.name === "Silver" }));
        const { element, done, bar } = await ladder(120000, { tiers });
        expect(done).toEqual([100, 100, 0, 0]);
        expect(element.shadowRoot.querySelector(".marks .mark_current").textContent).toContain("Silver");
        expect(element.shadowRoot.querySelector(".marks .mark_next").textContent).toContain("Gold");
        expect(bar.getAttribute("aria-valuetext")).toBe("$120,000.00 of $50,000.00 needed for Gold");
    });

    it("does not reach a tier whose threshold must be exceeded by meeting it", async () => {
        const tiers = TIERS.map((tier) => ({ ...tier, reached: tier.name === "Silver" }));
        const { done, bar } = await ladder(50000, { tiers });
        expect(done).toEqual([100, 100, 0, 0]);
        expect(bar.getAttribute("aria-valuetext")).toBe("$50,000.00 of $50,000.00 needed for Gold");
    });

    it("has no band below a first tier that starts at nothing", async () => {
        const { done } = await ladder(10, { tiers: [{ name: "Base", threshold: 0 }, { name: "Plus", threshold: 100 }] });
        expect(done).toEqual([10, 0]);
    });

    it("shows net returns as nothing done, not as less", async () => {
        const { done, bar } = await ladder(-500);
        expect(done).toEqual([0, 0, 0, 0]);
        expect(bar.getAttribute("aria-valuenow")).toBe("0");
    });

    it("hatches what the forecast adds, and only then has a legend", async () => {
        const { element, likely } = await ladder(45000, { forecast: 60000 });
        expect(likely[1]).toBe(100);
        expect(likely[2]).toBeCloseTo(20);
        expect(words(element)).toContain("Forecast $60,000");
        const without = await ladder(45000);
        expect(without.element.shadowRoot.querySelector(".legend")).toBeNull();
    });

    it("lists many tiers below the bar", async () => {
        const tiers = [1, 2, 3, 4, 5].map((n) => ({ name: `T${n}`, threshold: n * 10, benefit: `${n} %` }));
        const { element } = await ladder(25, { tiers });
        expect(element.shadowRoot.querySelector(".ladder_many")).not.toBeNull();
        expect(element.shadowRoot.querySelectorAll(".list li")).toHaveLength(5);
    });

    it("counts units where quantity decides", async () => {
        const { bar } = await ladder(30000, { qualifier: "Quantity" });
        expect(bar.getAttribute("aria-valuetext")).toBe("30,000 units of 50,000 units needed for Gold");
    });

    it("is accessible", async () => {
        const { element } = await ladder(45000, { forecast: 60000 });
        await expect(element).toBeAccessible();
    });
});
