import { byUrgency, readPayout, readStanding } from "c/rebateStanding";
import { record, standing } from "../../../../../../tools/jest/records";

const TODAY = new Date(2026, 10, 24);
const read = (changes) => readStanding(standing(changes), TODAY);

describe("reading a standing", () => {
    it("works the extra out in cents", () => {
        expect(read().extra).toBe(2981.2);
        expect(read({ Rebate_at_Next_Tier__c: 4000 }).extra).toBe(0);
    });

    it("counts what the qualifier says", () => {
        expect(read().counted).toBe(45188);
        expect(read({ Qualifier__c: "Quantity" }).counted).toBe(1506);
    });

    it("reads amounts that come as text, and takes no empty text for a zero", () => {
        const found = read({ Rebate__c: "4518.80", Rebate_at_Next_Tier__c: "" });
        expect(found.rebate).toBe(4518.8);
        expect(found.rebateAtNext).toBeNull();
        expect(found.extra).toBeNull();
    });

    it("counts the days itself, today included, when the formula is hidden", () => {
        expect(read({ Days_Left__c: null }).daysLeft).toBe(7);
        expect(read({ Days_Left__c: null, Period_End__c: "2026-11-24" }).daysLeft).toBe(1);
        expect(read({ Days_Left__c: null, Period_End__c: "2026-11-01" }).daysLeft).toBe(0);
        expect(read({ Days_Left__c: null, Period_End__c: null }).daysLeft).toBeNull();
    });

    it.each(["{", '{"tiers": 1}', '{"tiers": [{"name": "Gold"}]}'])("says that the ladder %s is broken", (text) => {
        expect(read({ Tier_Ladder__c: text })).toMatchObject({ ladder: null, ladderBroken: true });
    });

    it("knows no ladder from a broken one, and puts tiers in order", () => {
        expect(read({ Tier_Ladder__c: null })).toMatchObject({ ladder: null, ladderBroken: false });
        const tiers = [{ name: "B", threshold: "2" }, { name: "A", threshold: "1" }];
        expect(read({ Tier_Ladder__c: JSON.stringify({ tiers }) }).ladder.tiers.map((t) => t.name)).toEqual(["A", "B"]);
    });

    it.each(["[", "{}"])("says that the contributions %s are broken", (text) => {
        expect(read({ Contributions__c: text })).toMatchObject({ contributions: [], contributionsBroken: true });
    });

    it("names what is hidden and needed", () => {
        const seen = standing();
        delete seen.fields.Rebate__c;
        expect(readStanding(seen, TODAY)).toMatchObject({ rebate: null, extra: null, hidden: ["Rebate__c"] });
    });

    it.each(["Qualifier__c", "Currency_Code__c", "Program_Key__c"])("guesses no %s that is hidden", (name) => {
        const seen = standing();
        delete seen.fields[name];
        const found = readStanding(seen, TODAY);
        expect(found.hidden).toEqual([name]);
        expect([found.qualifier, found.currency, found.programKey]).toContain(null);
    });

    it("does not say what counts where the qualifier is hidden", () => {
        const seen = standing();
        delete seen.fields.Qualifier__c;
        expect(readStanding(seen, TODAY)).toMatchObject({ qualifier: null, counted: null, gap: 4812 });
    });

    it("reads a payout", () => {
        const payout = readPayout(record("a02", { Amount__c: 7780.52, Status__c: "Pending", Program_Key__c: "k" }));
        expect(payout).toMatchObject({ id: "a02", amount: 7780.52, status: "Pending", programKey: "k", paidOn: null });
    });
});

describe("what comes first", () => {
    const order = (...changes) => changes.map(read).sort(byUrgency).map((s) => s.program);

    it("is what needs a person", () => {
        expect(
            order(
                { Program_Name__c: "closed", Status__c: "Closed" },
                { Program_Name__c: "top", Status__c: "Top_Tier" },
                { Program_Name__c: "risk", Status__c: "At_Risk" },
                { Program_Name__c: "unknown", Status__c: "New_Status" },
                { Program_Name__c: "near", Status__c: "Near_Next_Tier" }
            )
        ).toEqual(["near", "risk", "top", "closed", "unknown"]);
    });

    it("is, among equals, what a call pays, then what ends first, and among closed ones the newest", () => {
        expect(
            order(
                { Program_Name__c: "low", Opportunity_Score__c: 0.1 },
                { Program_Name__c: "high", Opportunity_Score__c: 0.9 },
                { Program_Name__c: "soon", Opportunity_Score__c: 0.1, Period_End__c: "2026-11-25" }
            )
        ).toEqual(["high", "soon", "low"]);
        expect(
            order(
                { Program_Name__c: "old", Status__c: "Closed", Period_End__c: "2026-09-30" },
                { Program_Name__c: "new", Status__c: "Closed", Period_End__c: "2026-10-31" }
            )
        ).toEqual(["new", "old"]);
    });
});
