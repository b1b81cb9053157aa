/**
 * Numbers, days and sentences, in the language and locale of the user.
 * Amounts are in the currency of their program, which need not be the currency of the user.
 */
import LOCALE from "@salesforce/i18n/locale";
import TIME_ZONE from "@salesforce/i18n/timeZone";
import daysLeftLabel from "@salesforce/label/c.Rebate_Days_Left";
import lastDayLabel from "@salesforce/label/c.Rebate_Days_Left_One";
import overLabel from "@salesforce/label/c.Rebate_Days_Over";
import unitsLabel from "@salesforce/label/c.Rebate_Units";
import oneUnitLabel from "@salesforce/label/c.Rebate_Units_One";

/** "{0} to {1}" with the values put in. */
export function fill(template, ...values) {
    return template.replace(/\{(\d+)\}/g, (hole, index) => values[index] ?? hole);
}

/**
 * An amount with its cents (as many digits as its currency has: none of yen), or in whole units with `whole`.
 * `toward`: "up" for what is still missing (never less than the truth), "down" for what can be won.
 */
export function money(value, currency, { whole = false, toward, compact = false } = {}) {
    if (value === null || value === undefined) return "–";
    let shown = value;
    if (whole && toward === "up") shown = Math.ceil(value);
    if (whole && toward === "down") shown = Math.floor(value);
    const known = /^[A-Z]{3}$/.test(currency ?? "");
    const options = {};
    if (whole || compact) Object.assign(options, { minimumFractionDigits: 0, maximumFractionDigits: compact ? 1 : 0 });
    else if (!known) Object.assign(options, { minimumFractionDigits: 2, maximumFractionDigits: 2 });
    if (compact) options.notation = "compact";
    if (known) {
        options.style = "currency";
        options.currency = currency;
        options.currencyDisplay = "narrowSymbol";
    }
    return new Intl.NumberFormat(LOCALE, options).format(shown);
}

/** A plain number: at most four digits after the point, or short ("20K"). */
export function number(value, { compact = false } = {}) {
    if (value === null || value === undefined) return "–";
    const options = compact
        ? { notation: "compact", minimumFractionDigits: 0, maximumFractionDigits: 1 }
        : { maximumFractionDigits: 4 };
    return new Intl.NumberFormat(LOCALE, options).format(value);
}

/** What counts toward the tier: an amount, or a quantity in units; a number alone where nobody may see which. */
export function measured(value, qualifier, currency, options = {}) {
    if (value === null || value === undefined) return "–";
    if (!qualifier) return number(value, options);
    if (qualifier !== "Quantity") return money(value, currency, options);
    return fill(value === 1 ? oneUnitLabel : unitsLabel, number(value, options));
}

/** "7 days left", "last day today", "period is over"; nothing when unknown. */
export function daysLeft(count) {
    if (count === null || count === undefined) return "";
    if (count <= 0) return overLabel;
    if (count === 1) return lastDayLabel;
    return fill(daysLeftLabel, number(count));
}

/** A calendar day such as 2026-11-30, never moved by a time zone. */
export function day(iso) {
    if (!iso) return "";
    return new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeZone: "UTC" }).format(new Date(`${iso}T00:00:00Z`));
}

/** "Nov 1 – 30, 2026": first and last day, said once what both share. */
export function days(first, last) {
    if (!first || !last) return day(first ?? last);
    const format = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeZone: "UTC" });
    return format.formatRange(new Date(`${first}T00:00:00Z`), new Date(`${last}T00:00:00Z`));
}

/** A moment, in the time zone of the user. */
export function moment(iso) {
    if (!iso) return "";
    return new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "short", timeZone: TIME_ZONE }).format(
        new Date(iso)
    );
}
