import { createElement } from "lwc";
import { getRelatedListRecords } from "lightning/uiRelatedListApi";
import RebateProgress from "c/rebateProgress";
import { record, settled, standing, words } from "../../../../../../tools/jest/records";

const isList = (name) => (config) => config.relatedListId === name;
const standings = isList("Rebate_Standings__r");
const payouts = isList("Rebate_Payouts__r");

async function card(properties = {}) {
    const element = createElement("c-rebate-progress", { is: RebateProgress });
    Object.assign(element, { recordId: "001000000000001AAA", ...properties });
    document.body.append(element);
    await settled();
    return element;
}

async function filled(records, properties) {
    const element = await card(properties);
    getRelatedListRecords.emit({ records }, standings);
    await settled();
    return element;
}
const programs = (element) => [...element.shadowRoot.querySelectorAll("c-rebate-program")];

describe("the card", () => {
    it("asks for optional fields only: one hidden field must not hide the card", async () => {
        await card();
        const config = getRelatedListRecords.getLastConfig();
        expect(config.fields).toBeUndefined();
        expect(config.optionalFields.length).toBeGreaterThan(5);
        expect(config.parentRecordId).toBe("001000000000001AAA");
    });

    it("says that it loads until it knows", async () => {
        const element = await card();
        expect(element.shadowRoot.querySelector("[role=status]").textContent).toBe("Loading rebate standings");
        expect(element.shadowRoot.querySelector("[aria-busy]")).not.toBeNull();
        await expect(element).toBeAccessible();
    });

    it("says what no standing means", async () => {
        const element = await filled([]);
        expect(words(element)).toContain("No rebate program yet");
        await expect(element).toBeAccessible();
    });

    it.each([
        ["You cannot see rebates", { status: 403, body: { errorCode: "INSUFFICIENT_ACCESS" } }],
        ["You cannot see rebates", { status: 400, body: [{ errorCode: "INVALID_TYPE", message: "no such type" }] }],
        ["You cannot see rebates", { status: 404, body: {} }],
        ["Rebates could not be loaded", { status: 500, body: {} }],
        ["The server did not answer", { status: 500, body: { message: "The server did not answer" } }]
    ])("says %s and what to do", async (text, error) => {
        const element = await card();
        getRelatedListRecords.emitError(error, standings);
        await settled();
        expect(words(element)).toContain(text);
        expect(element.shadowRoot.querySelector("c-rebate-program")).toBeNull();
    });

    it("puts what needs a person first and keeps the rest behind a button", async () => {
        const element = await filled(
            [
                standing({ Id: "a1", Status__c: "Closed", Program_Name__c: "Old" }),
                standing({ Id: "a2", Status__c: "Near_Next_Tier", Program_Name__c: "Near" }),
                standing({ Id: "a3", Status__c: "Top_Tier", Program_Name__c: "Top" })
            ],
            { maxPrograms: 2 }
        );
        expect(programs(element).map((p) => p.standing.program)).toEqual(["Near", "Top"]);
        expect(programs(element).map((p) => p.expanded)).toEqual([true, false]);
        const button = element.shadowRoot.querySelector("lightning-button");
        expect(button.label).toBe("Show 1 more");
        button.click();
        await settled();
        expect(programs(element)).toHaveLength(3);
        expect(button.label).toBe("Show fewer");
    });

    it("gives each program its own payouts, and goes without where they are hidden", async () => {
        const element = await filled([standing()]);
        expect(programs(element)[0].payouts).toEqual([]);
        const mine = record("p1", { Program_Key__c: "retail-2026", Amount__c: 5 });
        getRelatedListRecords.emit({ records: [mine, record("p2", { Program_Key__c: "other" })] }, payouts);
        await settled();
        expect(programs(element)[0].payouts.map((p) => p.id)).toEqual(["p1"]);
        getRelatedListRecords.emitError({ statusText: "no" }, payouts);
        await settled();
        expect(programs(element)[0].payouts).toEqual([]);
    });

    it("gives no program a payout where nobody may see which program either is of", async () => {
        const seen = standing();
        delete seen.fields.Program_Key__c;
        const element = await filled([seen]);
        getRelatedListRecords.emit({ records: [record("p1", { Amount__c: 5 })] }, payouts);
        await settled();
        expect(programs(element)[0].payouts).toEqual([]);
        expect(words(element)).toContain("Hidden from you: Program Key.");
    });

    it("names what is hidden from the user", async () => {
        const seen = standing();
        delete seen.fields.Rebate_at_Next_Tier__c;
        const element = await filled([seen]);
        expect(words(element)).toContain("Hidden from you: Rebate at Next Tier.");
    });

    it("is as fresh as its oldest open standing, and says when that is old", async () => {
        const fresh = standing();
        const element = await filled([fresh]);
        expect(words(element)).toContain("Last synced Nov 24, 2026");
        expect(words(element)).not.toContain("Out of date");
        const old = standing({ Id: "a2", Last_Synced__c: "2026-11-22T14:05:00.000Z" });
        const closed = standing({ Id: "a3", Status__c: "Closed", Last_Synced__c: "2025-01-01T00:00:00.000Z" });
        getRelatedListRecords.emit({ records: [fresh, old, closed] }, standings);
        await settled();
        expect(words(element)).toContain("Last synced Nov 22, 2026");
        expect(words(element)).toContain("Out of date");
    });

    it("says when it does not know how fresh it is", async () => {
        expect(words(await filled([standing({ Last_Synced__c: null })]))).toContain("Sync time unknown");
    });

    it("is accessible with standings", async () => {
        await expect(await filled([standing()])).toBeAccessible();
    });
});
