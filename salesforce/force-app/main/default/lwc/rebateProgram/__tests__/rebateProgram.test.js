import { createElement } from "lwc";
import { visited } from "lightning/navigation";
import RebateProgram from "c/rebateProgram";
import { readStanding } from "c/rebateStanding";
import { settled, standing, words } from "../../../../../../tools/jest/records";

async function program(changes = {}, payouts = []) {
    const element = createElement("c-rebate-program", { is: RebateProgram });
    element.standing = readStanding(standing(changes), new Date());
    element.payouts = payouts;
    element.expanded = true;
    document.body.append(element);
    await settled();
    return element;
}
const headline = (element) => element.shadowRoot.querySelector(".headline").textContent;

describe("the headline", () => {
    it.each([
        ["$4,812 to 15 %: worth $2,981 more, 7 days left", {}],
        ["$4,812 to 15 %: worth $2,981 more, last day today", { Days_Left__c: 1 }],
        ["$4,812 to Gold: worth $2,981 more, 7 days left", { Next_Benefit__c: null }],
        ["$12.34 to 15 %: worth $9.50 more, 7 days left", { To_Next_Tier__c: 12.34, Rebate_at_Next_Tier__c: 4528.3 }],
        ["620 units to 15 %: worth $2,981 more, 7 days left", { Qualifier__c: "Quantity", To_Next_Tier__c: 620 }],
        ["620 to 15 %: worth $2,981 more, 7 days left", { Qualifier__c: null, To_Next_Tier__c: 620 }],
        ["4,812 to 15 %: worth 2,981 more, 7 days left", { Qualifier__c: null, Currency_Code__c: null }],
        ["$4,812 to 15 %, 7 days left", { Rebate_at_Next_Tier__c: null }],
        ["Top tier reached: 18 %, 7 days left", { Status__c: "Top_Tier", To_Next_Tier__c: null, Benefit__c: "18 %" }],
        ["Top tier reached, 7 days left", { Status__c: "Top_Tier", To_Next_Tier__c: null, Benefit__c: null }],
        ["More sales alone do not reach Gold, 7 days left", { Status__c: "On_Track", To_Next_Tier__c: null }],
        [
            "No next tier is known, 7 days left",
            { Status__c: "On_Track", To_Next_Tier__c: null, Next_Tier__c: null, Next_Benefit__c: null }
        ],
        ["Closed at Silver: $4,518.80 earned", { Status__c: "Closed" }],
        ["Closed at Gold: settled at $4,000.00", { Status__c: "Closed", Tier__c: "Gold", Rebate__c: 12000, Settled__c: 4000 }],
        ["Closed: settled at $0.00", { Status__c: "Closed", Tier__c: null, Rebate__c: 12000, Settled__c: 0 }],
        ["Closed: $0.00 earned", { Status__c: "Closed", Tier__c: null, Rebate__c: 0 }],
        ["No order counts yet: $20,000 to 10 %, 7 days left", { Status__c: "Not_Started", To_Next_Tier__c: 20000, Next_Benefit__c: "10 %" }],
        ["No order counts yet, 7 days left", { Status__c: "Not_Started", To_Next_Tier__c: null }],
        ["No order counts yet: $4,812 to 15 %, 7 days left", { Status__c: "Not_Started", Period_Start__c: "2026-11-24" }],
        ["Starts on Dec 1, 2026", { Status__c: "Not_Started", Period_Start__c: "2026-12-01" }]
    ])("says %s", async (sentence, changes) => {
        expect(headline(await program(changes))).toBe(sentence);
    });
});

describe("one program", () => {
    it("shows the rebate now, at the next tier, and the extra, to the cent", async () => {
        const figures = [...(await program()).shadowRoot.querySelectorAll(".figure")].map((node) => node.textContent);
        expect(figures).toEqual(["Rebate now$4,518.80", "At Gold$7,500.00", "Extra+$2,981.20"]);
    });

    it("shows a closed period with what it is paid, not with the year to date", async () => {
        const closed = { Status__c: "Closed", Rebate__c: 12000, Settled__c: 4000, To_Next_Tier__c: null };
        const element = await program(closed);
        expect(element.shadowRoot.querySelector(".figure").textContent).toBe("Settled$4,000.00");
        expect(words(element)).not.toContain("12,000");
    });

    it("does not take the year to date for what is paid where that is hidden", async () => {
        const element = createElement("c-rebate-program", { is: RebateProgram });
        const seen = standing({ Status__c: "Closed", Rebate__c: 12000, To_Next_Tier__c: null });
        delete seen.fields.Settled__c;
        element.standing = readStanding(seen, new Date());
        document.body.append(element);
        await settled();
        expect(headline(element)).toBe("Closed at Silver: settled at –");
        expect(element.standing.hidden).toEqual(["Settled__c"]);
    });

    it("marks returns", async () => {
        const rows = (await program()).shadowRoot.querySelectorAll("tbody tr");
        expect(rows[0].textContent).not.toContain("Return");
        expect(rows[1].textContent).toContain("Return");
        expect(rows[1].textContent).toContain("-$1,512.00");
    });

    it("shows an order in the currency that it was placed in", async () => {
        const rows = [
            { order: "1", date: "2026-11-23", amount: 500, quantity: 1, currency: "EUR" },
            { order: "2", date: "2026-11-23", amount: 500, quantity: 1 }
        ];
        const element = await program({ Contributions__c: JSON.stringify(rows) });
        const shown = [...element.shadowRoot.querySelectorAll("tbody .number")].map((node) => node.textContent);
        expect(shown).toEqual(["€500.00", "$500.00"]);
    });

    it("shows payouts with their status, in their own currency", async () => {
        const payout = { id: "a02", period: "2026-10", status: "Paid", statusLabel: "Paid", amount: 10, currency: "EUR", paidOn: "2026-11-15" };
        const element = await program({}, [payout]);
        expect(words(element)).toContain("Payouts (1)");
        expect(words(element)).toContain("€10.00");
        expect(element.shadowRoot.querySelector(".pill_good").title).toBe("Paid on Nov 15, 2026");
    });

    it("says in words when the ladder or the orders cannot be read, and still shows the numbers", async () => {
        const element = await program({ Tier_Ladder__c: "{", Contributions__c: "{" });
        expect(element.shadowRoot.querySelector("c-rebate-ladder")).toBeNull();
        expect(words(element)).toContain("The tier ladder of this standing cannot be read");
        expect(words(element)).toContain("The recent orders of this standing cannot be read");
        expect(words(element)).toContain("$4,518.80");
    });

    it("says when no order counts, and when something is missing", async () => {
        const element = await program({ Contributions__c: null, Incomplete__c: "2 orders without a currency" });
        expect(words(element)).toContain("No order counts in this period yet.");
        expect(words(element)).toContain("Incomplete: 2 orders without a currency");
    });

    it("opens the standing without leaving the app", async () => {
        const element = await program();
        element.shadowRoot.querySelector("a").click();
        expect(visited.at(-1).attributes).toEqual({
            recordId: "a01000000000001AAA",
            objectApiName: "Rebate_Standing__c",
            actionName: "view"
        });
    });

    it("is accessible", async () => {
        await expect(await program()).toBeAccessible();
    });
});
