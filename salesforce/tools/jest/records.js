/** Records as the UI API gives them. */

/** { Status__c: "On_Track" } → { Status__c: { value: "On_Track", displayValue: "On Track" } } */
export function record(id, values) {
    const field = (value) => ({ value, displayValue: typeof value === "string" ? value.replaceAll("_", " ") : null });
    return { id, fields: Object.fromEntries(Object.entries(values).map(([name, value]) => [name, field(value)])) };
}

/** A cosmetics retailer, just short of the 15 % tier with a week to go. */
export function standing(changes = {}) {
    return record(changes.Id ?? "a01000000000001AAA", {
        Program_Name__c: "Retail partners 2026",
        Program_Key__c: "retail-2026",
        Period__c: "2026-11",
        Period_Start__c: "2026-11-01",
        Period_End__c: "2026-11-30",
        Status__c: "Near_Next_Tier",
        Qualifier__c: "Amount",
        Currency_Code__c: "USD",
        Qualifying_Amount__c: 45188,
        Qualifying_Quantity__c: 1506,
        Tier__c: "Silver",
        Benefit__c: "10 %",
        Rebate__c: 4518.8,
        Settled__c: null,
        Next_Tier__c: "Gold",
        Next_Threshold__c: 50000,
        Next_Benefit__c: "15 %",
        To_Next_Tier__c: 4812,
        Rebate_at_Next_Tier__c: 7500,
        Tier_Ladder__c: JSON.stringify({
            currency: "USD",
            value: "45188.00",
            tiers: [
                { name: "Silver", threshold: "20000", benefit: "10 %", reached: true },
                { name: "Gold", threshold: "50000", benefit: "15 %", reached: false },
                { name: "Platinum", threshold: "100000", benefit: "18 %", reached: false }
            ]
        }),
        Contributions__c: JSON.stringify([
            { order: "00000184", date: "2026-11-23", amount: "8240.00", quantity: "280" },
            { order: "00000178", date: "2026-11-17", amount: "-1512.00", quantity: "-48" }
        ]),
        Steps__c: "Tier reached: Silver\n10 % of $45,188.00 = $4,518.80",
        Incomplete__c: null,
        Last_Synced__c: "2026-11-24T14:05:00.000Z",
        Days_Left__c: 7,
        Opportunity_Score__c: 0.0885,
        ...changes
    });
}

/** Waits until wires, promises and renders have settled. */
export const settled = () => new Promise((resolve) => setTimeout(resolve, 0));

/** The text inside an element and all components below it, spaces made one. */
export function words(element) {
    const inside = (node) => {
        if (node.nodeType === Node.TEXT_NODE) return node.textContent;
        return [...(node.shadowRoot ? [node.shadowRoot] : []), ...node.childNodes].map(inside).join(" ");
    };
    return inside(element).replace(/\s+/g, " ").trim();
}
