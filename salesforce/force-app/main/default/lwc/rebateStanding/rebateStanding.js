/**
 * Reads records as the UI API gives them ({ fields: { X: { value, displayValue } } }) into plain values.
 * A field that field-level security hides is absent from `fields`: it is reported, never guessed.
 */
export const STANDING = "Rebate_Standing__c";
export const PAYOUT = "Rebate_Payout__c";

const NEEDED = [
    "Program_Name__c",
    "Program_Key__c",
    "Status__c",
    "Qualifier__c",
    "Currency_Code__c",
    "Rebate__c",
    "Rebate_at_Next_Tier__c",
    "To_Next_Tier__c",
    "Tier_Ladder__c",
    "Period_End__c",
    "Settled__c"
];

const OTHERS = [
    "Period__c",
    "Period_Start__c",
    "Qualifying_Amount__c",
    "Qualifying_Quantity__c",
    "Tier__c",
    "Benefit__c",
    "Next_Tier__c",
    "Next_Threshold__c",
    "Next_Benefit__c",
    "Contributions__c",
    "Steps__c",
    "Incomplete__c",
    "Last_Synced__c",
    "Days_Left__c",
    "Opportunity_Score__c"
];

const PAYOUT_NAMES = [
    "Program_Key__c",
    "Period__c",
    "Period_End__c",
    "Status__c",
    "Amount__c",
    "Currency_Code__c",
    "Paid_On__c"
];

export const STANDING_FIELDS = [...NEEDED, ...OTHERS].map((name) => `${STANDING}.${name}`);
export const PAYOUT_FIELDS = PAYOUT_NAMES.map((name) => `${PAYOUT}.${name}`);

/** What counts toward the tier, by qualifier; unknown where that is hidden. */
const COUNTED = { Amount: "Qualifying_Amount__c", Quantity: "Qualifying_Quantity__c" };
const MILLISECONDS_A_DAY = 86400000;

/** Whether a period runs already; one whose first day nobody may see does, as far as we know. */
function begun(firstDay, today) {
    if (!firstDay) return true;
    return Date.parse(`${firstDay}T00:00:00Z`) <= Date.UTC(today.getFullYear(), today.getMonth(), today.getDate());
}

/** Days left with today counted, as the formula Days_Left__c has it; for users who may not see the formula. */
function daysUntil(lastDay, today) {
    if (!lastDay) return null;
    const from = Date.UTC(today.getFullYear(), today.getMonth(), today.getDate());
    return Math.max(0, (Date.parse(`${lastDay}T00:00:00Z`) - from) / MILLISECONDS_A_DAY + 1);
}

function parsed(text) {
    if (!text) return { value: null, broken: false };
    try {
        return { value: JSON.parse(text), broken: false };
    } catch {
        return { value: null, broken: true }; // shown to the user in words: the numbers do not depend on it
    }
}

function amount(value) {
    if (value === null || value === undefined || value === "") return null;
    const result = Number(value);
    return Number.isFinite(result) ? result : null;
}

/** Differences of two amounts in cents, without the noise of binary fractions. */
function cents(value) {
    return Math.round(value * 100) / 100;
}

function readLadder(text) {
    const { value, broken } = parsed(text);
    if (broken || (value && !Array.isArray(value.tiers))) return { ladder: null, ladderBroken: true };
    if (!value) return { ladder: null, ladderBroken: false };
    const tiers = value.tiers.map((tier) => ({
        name: tier.name ?? "",
        threshold: amount(tier.threshold),
        benefit: tier.benefit ?? "",
        reached: tier.reached === true
    }));
    if (tiers.some((tier) => tier.threshold === null)) return { ladder: null, ladderBroken: true };
    tiers.sort((a, b) => a.threshold - b.threshold);
    return { ladder: { value: amount(value.value), forecast: amount(value.forecast), tiers }, ladderBroken: false };
}

function readContributions(text) {
    const { value, broken } = parsed(text);
    if (broken || (value && !Array.isArray(value))) return { contributions: [], contributionsBroken: true };
    return {
        contributions: (value ?? []).map((row, index) => ({
            id: `${index}-${row.order}`,
            order: row.order ?? "",
            date: row.date ?? "",
            amount: amount(row.amount),
            quantity: amount(row.quantity),
            currency: row.currency ?? null // of an order in another currency than its program
        })),
        contributionsBroken: false
    };
}

/** One standing, and in `hidden` the API names of fields that this user may not see although the card needs them. */
export function readStanding(record, today) {
    const at = (name) => record.fields[name]?.value ?? null;
    const rebate = amount(at("Rebate__c"));
    const rebateAtNext = amount(at("Rebate_at_Next_Tier__c"));
    const qualifier = at("Qualifier__c");
    const shownDays = amount(at("Days_Left__c"));
    return {
        id: record.id,
        program: at("Program_Name__c") ?? at("Program_Key__c") ?? "",
        programKey: at("Program_Key__c"),
        period: at("Period__c") ?? "",
        periodStart: at("Period_Start__c"),
        begun: begun(at("Period_Start__c"), today),
        periodEnd: at("Period_End__c"),
        status: at("Status__c"),
        statusLabel: record.fields.Status__c?.displayValue ?? at("Status__c") ?? "",
        qualifier,
        currency: at("Currency_Code__c"),
        counted: COUNTED[qualifier] ? amount(at(COUNTED[qualifier])) : null,
        tier: at("Tier__c"),
        benefit: at("Benefit__c"),
        rebate, // of a window that is longer than the period: to date
        settled: amount(at("Settled__c")), // what this period is paid
        isSettled: at("Settled__c") !== null || !("Settled__c" in record.fields),
        nextTier: at("Next_Tier__c"),
        nextThreshold: amount(at("Next_Threshold__c")),
        nextBenefit: at("Next_Benefit__c"),
        gap: amount(at("To_Next_Tier__c")),
        rebateAtNext,
        extra: rebate === null || rebateAtNext === null ? null : Math.max(0, cents(rebateAtNext - rebate)),
        daysLeft: shownDays === null ? daysUntil(at("Period_End__c"), today) : shownDays,
        score: amount(at("Opportunity_Score__c")),
        ...readLadder(at("Tier_Ladder__c")),
        ...readContributions(at("Contributions__c")),
        steps: (at("Steps__c") ?? "").split(/\r?\n/).filter((line) => line.trim() !== ""),
        incomplete: at("Incomplete__c"),
        lastSynced: at("Last_Synced__c"),
        hidden: NEEDED.filter((name) => !(name in record.fields))
    };
}

export function readPayout(record) {
    const at = (name) => record.fields[name]?.value ?? null;
    return {
        id: record.id,
        programKey: at("Program_Key__c"),
        period: at("Period__c") ?? "",
        periodEnd: at("Period_End__c"),
        status: at("Status__c"),
        statusLabel: record.fields.Status__c?.displayValue ?? at("Status__c") ?? "",
        amount: amount(at("Amount__c")),
        currency: at("Currency_Code__c"),
        paidOn: at("Paid_On__c")
    };
}

const URGENCY = ["Near_Next_Tier", "At_Risk", "On_Track", "Top_Tier", "Not_Started", "Closed"];

/** What needs a person first: by status, then by what a call pays, then the period that ends first. */
export function byUrgency(a, b) {
    const rank = (standing) => (URGENCY.includes(standing.status) ? URGENCY.indexOf(standing.status) : URGENCY.length);
    const ends = (standing) => String(standing.periodEnd ?? "");
    if (rank(a) !== rank(b)) return rank(a) - rank(b);
    if (a.status === "Closed") return ends(b).localeCompare(ends(a)); // the newest closed period first
    return (b.score ?? 0) - (a.score ?? 0) || ends(a).localeCompare(ends(b));
}
