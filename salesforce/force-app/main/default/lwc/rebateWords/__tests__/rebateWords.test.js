import { day, days, daysLeft, fill, measured, money, moment, number } from "c/rebateWords";

describe("words of the rebate components", () => {
    it("fills places and leaves a hole visible rather than silent", () => {
        expect(fill("{0} to {1}", "$5", "Gold")).toBe("$5 to Gold");
        expect(fill("{0} and {1}", "one")).toBe("one and {1}");
    });

    it("shows money with cents, and whole amounts toward the careful side", () => {
        expect(money(4518.8, "USD")).toBe("$4,518.80");
        expect(money(4811.01, "USD", { whole: true, toward: "up" })).toBe("$4,812");
        expect(money(2981.99, "USD", { whole: true, toward: "down" })).toBe("$2,981");
        expect(money(-1512, "USD")).toBe("-$1,512.00");
    });

    it("shows as many digits as the currency has", () => {
        expect(money(350207, "JPY")).toBe("¥350,207");
        expect(money(1.5, "KWD")).toMatch(/1\.500$/);
    });

    it("shows short amounts on the ladder, alike in every engine", () => {
        expect(money(50000, "USD", { compact: true })).toBe("$50K");
        expect(money(1500000, "USD", { compact: true })).toBe("$1.5M");
    });

    it("shows an amount without a currency when none is known", () => {
        expect(money(12.5, null)).toBe("12.50");
        expect(money(12.5, "not a code")).toBe("12.50");
    });

    it("shows a dash for what is unknown, never a zero", () => {
        expect(money(null, "USD")).toBe("–");
        expect(money(undefined, "USD")).toBe("–");
        expect(number(null)).toBe("–");
        expect(measured(null, "Quantity", "USD")).toBe("–");
    });

    it("counts quantities in units", () => {
        expect(measured(620, "Quantity", "USD")).toBe("620 units");
        expect(measured(1, "Quantity", "USD")).toBe("1 unit");
        expect(measured(620, "Amount", "USD")).toBe("$620.00");
    });

    it("counts down the days to the last one", () => {
        expect(daysLeft(7)).toBe("7 days left");
        expect(daysLeft(1)).toBe("last day today");
        expect(daysLeft(0)).toBe("period is over");
        expect(daysLeft(null)).toBe("");
    });

    it("never moves a calendar day by a time zone", () => {
        expect(day("2026-11-01")).toBe("Nov 1, 2026");
        expect(day(null)).toBe("");
        expect(days("2026-11-01", "2026-11-30")).toMatch(/^Nov 1\s–\s30, 2026$/);
        expect(days("2026-11-01", null)).toBe("Nov 1, 2026");
    });

    it("shows a moment in the time zone of the user", () => {
        expect(moment("2026-11-24T14:05:00.000Z")).toMatch(/^Nov 24, 2026, 6:05\sAM$/); // Los Angeles in tests
        expect(moment(null)).toBe("");
    });
});
