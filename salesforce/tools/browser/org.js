/**
 * A small org in the page: takes records in the form of a REST query reply and gives them out in the form of the
 * UI API, with picklist labels, formulas and hidden fields as the org would.
 */
import fields from "virtual:fields";

const MILLISECONDS_A_DAY = 86400000;

/** The formulas of the package, for records from a source that does not work them out. */
const FORMULAS = {
    Uplift__c: (r) =>
        r.Rebate_at_Next_Tier__c === null || r.Rebate_at_Next_Tier__c === undefined
            ? null
            : Math.max(0, Math.round((r.Rebate_at_Next_Tier__c - r.Rebate__c) * 100) / 100),
    Days_Left__c(r) {
        if (!r.Period_End__c) return null;
        const now = new Date();
        const today = Date.UTC(now.getFullYear(), now.getMonth(), now.getDate());
        return Math.max(0, (Date.parse(`${r.Period_End__c}T00:00:00Z`) - today) / MILLISECONDS_A_DAY + 1);
    },
    Region__c: (r) => r.Account__r?.BillingState ?? r.Account__r?.BillingCountry ?? null,
    Opportunity_Score__c(r) {
        if (!(r.To_Next_Tier__c > 0) || !(r.Days_Left__c > 0) || r.Uplift__c === null) return null;
        if (r.Qualifier__c !== "Quantity") return r.Uplift__c / r.To_Next_Tier__c / r.Days_Left__c;
        if (!(r.Qualifying_Quantity__c > 0) || !(r.Qualifying_Amount__c > 0)) return null;
        const price = r.Qualifying_Amount__c / r.Qualifying_Quantity__c;
        return r.Uplift__c / (r.To_Next_Tier__c * price) / r.Days_Left__c;
    }
};

function complete(row) {
    const record = { ...row };
    for (const [name, formula] of Object.entries(FORMULAS)) record[name] ??= formula(record);
    return record;
}

function uiField(object, name, value, language) {
    const known = fields[object]?.[name];
    return { value: value ?? null, displayValue: known?.picklist[value]?.[language] ?? null };
}

/** @param {{standings: object[], payouts: object[], hidden?: string[], error?: object}} content */
export function makeOrg(content, { locale, timeZone, labels, language }) {
    const standings = content.standings?.map(complete);
    const lists = {
        Rebate_Standings__r: { object: "Rebate_Standing__c", rows: standings },
        Rebate_Payouts__r: { object: "Rebate_Payout__c", rows: content.payouts }
    };
    const hidden = new Set(content.hidden ?? []);
    return {
        locale,
        timeZone,
        labels,
        visited: [],
        relatedList({ parentRecordId, relatedListId, optionalFields = [], pageSize = 50 }) {
            if (content.error) return { data: undefined, error: content.error };
            const { object, rows } = lists[relatedListId];
            if (!rows) return null;
            const names = optionalFields.map((path) => path.split(".")[1]);
            for (const name of names) {
                if (!fields[object][name]) throw new Error(`${object} has no field ${name}`);
            }
            const records = rows
                .filter((row) => row.Account__c === parentRecordId)
                .slice(0, pageSize)
                .map((row) => ({
                    id: row.Id,
                    apiName: object,
                    fields: Object.fromEntries(
                        names.filter((name) => !hidden.has(name)).map((name) => [name, uiField(object, name, row[name], language)])
                    )
                }));
            return { data: { count: records.length, records }, error: undefined };
        },
        graphql({ query, variables }) {
            if (content.error) return { data: undefined, errors: [{ message: content.error.body.message }] };
            if (!standings) return null;
            for (const name of query.match(/\b\w+__c(?= \{ value)/g)) {
                if (!fields.Rebate_Standing__c[name]) throw new Error(`Rebate_Standing__c has no field ${name}`);
            }
            const tests = {
                eq: (value, wanted) => value === wanted,
                ne: (value, wanted) => value !== wanted,
                gt: (value, wanted) => value !== null && value > wanted
            };
            const found = standings
                .filter((row) =>
                    variables.where.and.every((part) =>
                        Object.entries(part).every(([name, test]) =>
                            Object.entries(test).every(([how, wanted]) => tests[how](row[name] ?? null, wanted))
                        )
                    )
                )
                .sort((a, b) => b.Opportunity_Score__c - a.Opportunity_Score__c);
            const node = (row) => ({
                Id: row.Id,
                Account__r: { Name: { value: row.Account__r?.Name ?? null } },
                ...Object.fromEntries(
                    Object.keys(fields.Rebate_Standing__c).map((name) => [name, { value: row[name] ?? null }])
                )
            });
            const edges = found.slice(0, variables.first).map((row) => ({ node: node(row) }));
            const list = { totalCount: found.length, edges };
            return { data: { uiapi: { query: { Rebate_Standing__c: list } } }, errors: undefined };
        }
    };
}
