/** One standing: what it means in words first, then the ladder, the figures, and what is behind them. */
import { LightningElement, api } from "lwc";
import { NavigationMixin } from "lightning/navigation";
import amountLabel from "@salesforce/label/c.Rebate_Amount";
import atNextLabel from "@salesforce/label/c.Rebate_At_Next";
import closedLabel from "@salesforce/label/c.Rebate_Headline_Closed";
import closedPlainLabel from "@salesforce/label/c.Rebate_Headline_Closed_Plain";
import dateLabel from "@salesforce/label/c.Rebate_Date";
import extraLabel from "@salesforce/label/c.Rebate_Extra";
import gapLabel from "@salesforce/label/c.Rebate_Headline_Gap";
import heldLabel from "@salesforce/label/c.Rebate_Headline_Held";
import incompleteLabel from "@salesforce/label/c.Rebate_Incomplete";
import ladderBrokenLabel from "@salesforce/label/c.Rebate_Ladder_Broken";
import noNextLabel from "@salesforce/label/c.Rebate_Headline_No_Next";
import noOrdersLabel from "@salesforce/label/c.Rebate_Headline_No_Orders";
import noTierLabel from "@salesforce/label/c.Rebate_No_Tier";
import notStartedLabel from "@salesforce/label/c.Rebate_Headline_Not_Started";
import nowLabel from "@salesforce/label/c.Rebate_Now";
import openLabel from "@salesforce/label/c.Rebate_Open_Standing";
import openOfLabel from "@salesforce/label/c.Rebate_Open_Standing_Of";
import orderLabel from "@salesforce/label/c.Rebate_Order";
import ordersBrokenLabel from "@salesforce/label/c.Rebate_Orders_Broken";
import ordersLabel from "@salesforce/label/c.Rebate_Recent_Orders";
import ordersNoneLabel from "@salesforce/label/c.Rebate_Orders_None";
import paidOnLabel from "@salesforce/label/c.Rebate_Paid_On";
import payoutsLabel from "@salesforce/label/c.Rebate_Payouts";
import periodLabel from "@salesforce/label/c.Rebate_Period";
import qualifyingLabel from "@salesforce/label/c.Rebate_Qualifying";
import quantityLabel from "@salesforce/label/c.Rebate_Quantity";
import returnLabel from "@salesforce/label/c.Rebate_Return";
import settledLabel from "@salesforce/label/c.Rebate_Settled";
import settledHeadlineLabel from "@salesforce/label/c.Rebate_Headline_Settled";
import settledPlainLabel from "@salesforce/label/c.Rebate_Headline_Settled_Plain";
import statusLabel from "@salesforce/label/c.Rebate_Status";
import stepsLabel from "@salesforce/label/c.Rebate_Steps";
import tierNowLabel from "@salesforce/label/c.Rebate_Tier_Now";
import topLabel from "@salesforce/label/c.Rebate_Headline_Top";
import topPlainLabel from "@salesforce/label/c.Rebate_Headline_Top_Plain";
import worthLabel from "@salesforce/label/c.Rebate_Headline_Worth";
import { day, days, daysLeft, fill, measured, money, number } from "c/rebateWords";
import { STANDING } from "c/rebateStanding";

const LOOK = {
    Near_Next_Tier: { css: "status status_near", icon: "utility:trending" },
    At_Risk: { css: "status status_risk", icon: "utility:warning" },
    On_Track: { css: "status status_track", icon: "utility:success" },
    Top_Tier: { css: "status status_top", icon: "utility:ribbon" },
    Not_Started: { css: "status status_quiet", icon: "utility:clock" },
    Closed: { css: "status status_quiet", icon: "utility:lock" }
};
const PAYOUT_LOOK = {
    Paid: "pill pill_good",
    Approved: "pill pill_good",
    Generated: "pill pill_good",
    Rejected: "pill pill_bad",
    PaymentRejected: "pill pill_bad"
};

export default class RebateProgram extends NavigationMixin(LightningElement) {
    /** as `readStanding` gives it */
    @api standing;
    /** payouts of the same program, as `readPayout` gives them */
    @api payouts = [];
    /** whether orders and payouts are unfolded at first */
    @api expanded = false;

    labels = {
        amount: amountLabel,
        date: dateLabel,
        ladderBroken: ladderBrokenLabel,
        open: openLabel,
        order: orderLabel,
        ordersBroken: ordersBrokenLabel,
        ordersNone: ordersNoneLabel,
        period: periodLabel,
        return: returnLabel,
        status: statusLabel,
        steps: stepsLabel
    };
    standingUrl;

    connectedCallback() {
        this[NavigationMixin.GenerateUrl](this.page).then((url) => {
            this.standingUrl = url;
        });
    }

    get page() {
        return {
            type: "standard__recordPage",
            attributes: { recordId: this.standing.id, objectApiName: STANDING, actionName: "view" }
        };
    }

    get look() {
        return LOOK[this.standing.status] ?? { css: "status status_quiet", icon: "utility:record" };
    }

    get subtitle() {
        const { period, periodStart, periodEnd } = this.standing;
        return [period, days(periodStart, periodEnd)].filter(Boolean).join(" · ");
    }

    /** The part of the headline that is bold: the gap and what it leads to. */
    get headline() {
        const s = this.standing;
        if (s.status === "Closed" && s.isSettled) {
            const paid = money(s.settled, s.currency);
            return s.tier ? fill(settledHeadlineLabel, s.tier, paid) : fill(settledPlainLabel, paid);
        }
        if (s.status === "Closed") {
            const earned = money(s.rebate, s.currency);
            return s.tier ? fill(closedLabel, s.tier, earned) : fill(closedPlainLabel, earned);
        }
        if (s.status === "Not_Started") return s.begun ? noOrdersLabel : fill(notStartedLabel, day(s.periodStart));
        if (s.gap !== null) return this.gapText;
        if (s.status !== "Top_Tier" && s.nextTier) return fill(heldLabel, s.nextTier);
        if (s.status === "Top_Tier") return s.benefit ? fill(topLabel, s.benefit) : topPlainLabel;
        return noNextLabel;
    }

    get gapText() {
        const s = this.standing;
        const gap = measured(s.gap, s.qualifier, s.currency, { whole: s.gap >= 100, toward: "up" });
        return fill(gapLabel, gap, s.nextBenefit || s.nextTier || "");
    }

    /** The rest of the sentence: what it is worth and how long there is. */
    get headlineRest() {
        const s = this.standing;
        if (s.status === "Closed" || (s.status === "Not_Started" && !s.begun)) return "";
        const left = daysLeft(s.daysLeft);
        if (s.status === "Not_Started") {
            const gap = s.gap === null ? "" : `: ${this.gapText}`;
            return left ? `${gap}, ${left}` : gap;
        }
        if (s.gap === null || !s.extra) return left ? `, ${left}` : "";
        const worth = fill(worthLabel, money(s.extra, s.currency, { whole: s.extra >= 100, toward: "down" }));
        return left ? `: ${worth}, ${left}` : `: ${worth}`;
    }

    get figures() {
        const s = this.standing;
        const settled = s.status === "Closed" && s.isSettled;
        const figures = [
            settled
                ? { key: "settled", label: settledLabel, value: money(s.settled, s.currency), css: "figure" }
                : { key: "now", label: nowLabel, value: money(s.rebate, s.currency), css: "figure" }
        ];
        if (s.gap !== null) {
            figures.push({
                key: "next",
                label: fill(atNextLabel, s.nextTier || s.nextBenefit || ""),
                value: money(s.rebateAtNext, s.currency),
                css: "figure"
            });
            figures.push({
                key: "extra",
                label: extraLabel,
                value: s.extra === null ? "–" : `+${money(s.extra, s.currency)}`,
                css: "figure figure_extra"
            });
        } else {
            figures.push({ key: "tier", label: tierNowLabel, value: s.tier ?? noTierLabel, css: "figure" });
            figures.push({
                key: "counted",
                label: qualifyingLabel,
                value: measured(s.counted, s.qualifier, s.currency),
                css: "figure"
            });
        }
        return figures;
    }

    get incomplete() {
        return this.standing.incomplete ? fill(incompleteLabel, this.standing.incomplete) : "";
    }

    get ordersTitle() {
        return fill(ordersLabel, this.standing.contributions.length);
    }

    get measureLabel() {
        return this.standing.qualifier === "Quantity" ? quantityLabel : amountLabel;
    }

    get orders() {
        const { qualifier, currency, contributions } = this.standing;
        return contributions.map((row) => {
            const counted = qualifier === "Quantity" ? row.quantity : row.amount;
            return {
                ...row,
                day: day(row.date),
                counted: qualifier === "Quantity" ? number(counted) : money(counted, row.currency ?? currency),
                isReturn: counted < 0
            };
        });
    }

    get noOrders() {
        return !this.standing.contributionsBroken && this.orders.length === 0;
    }

    get hasPayouts() {
        return this.payouts.length > 0;
    }

    get payoutsTitle() {
        return fill(payoutsLabel, this.payouts.length);
    }

    get payoutRows() {
        return this.payouts.map((payout) => ({
            ...payout,
            text: money(payout.amount, payout.currency ?? this.standing.currency),
            paid: payout.paidOn ? fill(paidOnLabel, day(payout.paidOn)) : "",
            css: PAYOUT_LOOK[payout.status] ?? "pill"
        }));
    }

    get hasSteps() {
        return this.standing.steps.length > 0;
    }

    get stepLines() {
        return this.standing.steps.map((text, index) => ({ key: `${index}`, text }));
    }

    get openLabel() {
        return fill(openOfLabel, this.standing.program);
    }

    handleOpen(event) {
        event.preventDefault();
        this[NavigationMixin.Navigate](this.page);
    }
}
