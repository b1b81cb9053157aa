import { createElement } from "lwc";
import { visited } from "lightning/navigation";
import { graphql } from "lightning/uiGraphQLApi";
import RebateOpportunities from "c/rebateOpportunities";
import { settled, words } from "../../../../../../tools/jest/records";

function node(changes = {}) {
    const values = {
        Account__c: "001000000000001AAA",
        Program_Name__c: "Retail partners 2026",
        Period__c: "2026-11",
        Region__c: "California",
        Qualifier__c: "Amount",
        Currency_Code__c: "USD",
        To_Next_Tier__c: 4812,
        Next_Tier__c: "Gold",
        Next_Benefit__c: "15 %",
        Uplift__c: 2981.2,
        Days_Left__c: 7,
        Opportunity_Score__c: 0.0885,
        ...changes
    };
    const fields = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }]));
    return { ...fields, Id: changes.Id ?? "a01", Account__r: { Name: { value: changes.name ?? "Bloom" } } };
}

const reply = (nodes, totalCount = nodes.length) => ({
    uiapi: { query: { Rebate_Standing__c: { totalCount, edges: nodes.map((n) => ({ node: n })) } } }
});

async function book(nodes, properties = {}, total = undefined) {
    const element = createElement("c-rebate-opportunities", { is: RebateOpportunities });
    Object.assign(element, properties);
    document.body.append(element);
    await settled();
    if (nodes) graphql.emit(reply(nodes, total));
    await settled();
    return element;
}
const combobox = (element, name) =>
    [...element.shadowRoot.querySelectorAll("lightning-combobox")].find((box) => box.name === name);

describe("the book of accounts", () => {
    it("loads, and says so", async () => {
        const element = await book(null);
        expect(words(element)).toContain("Loading");
    });

    it("ranks as the org does and shows what a call pays for each 100 sold", async () => {
        const element = await book([node({ Id: "a1", name: "First" }), node({ Id: "a2", name: "Second", Opportunity_Score__c: 0.0442 })]);
        const rows = [...element.shadowRoot.querySelectorAll("tbody tr")].map(words);
        expect(rows[0]).toBe("1 First California · Retail partners 2026 · 2026-11 $4,812 to 15 % +$2,981 7 $8.85");
        expect(rows[1]).toContain("$4.42");
        const bars = [...element.shadowRoot.querySelectorAll(".score-fill")].map((bar) => bar.style.inlineSize);
        expect(bars).toEqual(["100.0%", "49.9%"]);
    });

    it("asks only for what can be won", async () => {
        await book([]);
        const { variables } = graphql.getLastConfig();
        expect(variables.where.and).toEqual([{ Opportunity_Score__c: { gt: 0 } }, { Status__c: { ne: "Closed" } }]);
    });

    it("filters in the org, and keeps the choices that a filter leaves out", async () => {
        const element = await book([node({ Id: "a1" }), node({ Id: "a2", Region__c: "Ohio", Program_Name__c: "Parts" })]);
        const region = combobox(element, "region");
        expect(region.options.map((o) => o.label)).toEqual(["All regions", "California", "Ohio"]);
        region.dispatchEvent(new CustomEvent("change", { detail: { value: "Ohio" } }));
        combobox(element, "program").dispatchEvent(new CustomEvent("change", { detail: { value: "Parts" } }));
        await settled();
        expect(graphql.getLastConfig().variables.where.and.slice(2)).toEqual([
            { Region__c: { eq: "Ohio" } },
            { Program_Name__c: { eq: "Parts" } }
        ]);
        graphql.emit(reply([node({ Id: "a2", Region__c: "Ohio", Program_Name__c: "Parts" })]));
        await settled();
        expect(combobox(element, "region").options).toHaveLength(3);
    });

    it("sums one currency, and never two", async () => {
        expect(words(await book([node({ Id: "a1" }), node({ Id: "a2" })]))).toContain("2 opportunities · $5,962 within reach");
        expect(words(await book([node({ Id: "a1" }), node({ Id: "a2", Currency_Code__c: "EUR" })]))).not.toContain("within reach");
    });

    it("says when more are there than shown", async () => {
        const element = await book([node({ Id: "a1" }), node({ Id: "a2" })], { maxRows: 1 }, 90);
        expect(element.shadowRoot.querySelectorAll("tbody tr")).toHaveLength(1);
        expect(words(element)).toContain("1 opportunity");
        expect(words(element)).toContain("The best 1 are shown.");
    });

    it("says when there is nothing to win", async () => {
        expect(words(await book([]))).toContain("Nothing to win right now");
    });

    it.each([
        ["You cannot see rebates", "Validation error (FieldUndefined@[uiapi/query]) : Field 'Uplift__c' is undefined"],
        ["The service is busy", "The service is busy"]
    ])("says %s", async (text, message) => {
        const element = await book(null);
        graphql.emitErrors([{ message }]);
        await settled();
        expect(words(element)).toContain(text);
    });

    it("opens the account", async () => {
        const element = await book([node()]);
        element.shadowRoot.querySelector("a").click();
        expect(visited.at(-1).attributes.recordId).toBe("001000000000001AAA");
    });

    it("is accessible", async () => {
        await expect(await book([node()])).toBeAccessible();
    });
});
