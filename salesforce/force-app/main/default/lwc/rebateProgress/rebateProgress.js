/**
 * The card on the account page: every rebate program of the account, the one that needs a person first.
 * Reads related lists through the UI API: sharing and field-level security of the user apply, no Apex.
 */
import { LightningElement, api, wire } from "lwc";
import { getRelatedListRecords } from "lightning/uiRelatedListApi";
import errorTitle from "@salesforce/label/c.Rebate_Error_Title";
import fewerLabel from "@salesforce/label/c.Rebate_Fewer_Programs";
import loadingLabel from "@salesforce/label/c.Rebate_Loading";
import moreLabel from "@salesforce/label/c.Rebate_More_Programs";
import neverSyncedLabel from "@salesforce/label/c.Rebate_Never_Synced";
import noAccessText from "@salesforce/label/c.Rebate_No_Access_Text";
import noAccessTitle from "@salesforce/label/c.Rebate_No_Access_Title";
import noneText from "@salesforce/label/c.Rebate_None_Text";
import noneTitle from "@salesforce/label/c.Rebate_None_Title";
import partialLabel from "@salesforce/label/c.Rebate_Partial";
import staleLabel from "@salesforce/label/c.Rebate_Stale";
import syncedLabel from "@salesforce/label/c.Rebate_Last_Synced";
import titleLabel from "@salesforce/label/c.Rebate_Card_Title";
import { fill, moment } from "c/rebateWords";
import { PAYOUT_FIELDS, STANDING_FIELDS, byUrgency, readPayout, readStanding } from "c/rebateStanding";

const MILLISECONDS_AN_HOUR = 3600000;
const NO_ACCESS = new Set(["INSUFFICIENT_ACCESS", "INVALID_TYPE", "INVALID_FIELD", "NOT_FOUND", "FORBIDDEN"]);

export default class RebateProgress extends LightningElement {
    @api recordId;
    @api maxPrograms = 3;
    @api staleAfterHours = 26;

    labels = { loading: loadingLabel, stale: staleLabel, title: titleLabel };
    standingFields = STANDING_FIELDS;
    payoutFields = PAYOUT_FIELDS;
    standings;
    payouts = [];
    error;
    showAll = false;

    // optionalFields: a field the user may not see is absent, instead of failing the whole card
    @wire(getRelatedListRecords, {
        parentRecordId: "$recordId",
        relatedListId: "Rebate_Standings__r",
        optionalFields: "$standingFields",
        sortBy: ["-Rebate_Standing__c.Period_End__c"],
        pageSize: 50
    })
    receiveStandings({ data, error }) {
        if (data) {
            const today = new Date();
            this.standings = data.records.map((record) => readStanding(record, today)).sort(byUrgency);
            this.error = undefined;
        } else if (error) {
            this.standings = undefined;
            this.error = error;
        }
    }

    // a user without payouts still sees the standings: no payouts are then shown
    @wire(getRelatedListRecords, {
        parentRecordId: "$recordId",
        relatedListId: "Rebate_Payouts__r",
        optionalFields: "$payoutFields",
        sortBy: ["-Rebate_Payout__c.Period_End__c"],
        pageSize: 50
    })
    receivePayouts({ data }) {
        this.payouts = data ? data.records.map(readPayout) : [];
    }

    get isLoading() {
        return !this.standings && !this.error;
    }

    get message() {
        if (this.error) {
            const body = [this.error.body].flat()[0] ?? {};
            const denied = NO_ACCESS.has(body.errorCode) || [403, 404].includes(this.error.status ?? body.statusCode);
            return denied
                ? { title: noAccessTitle, text: noAccessText, icon: "utility:lock" }
                : { title: errorTitle, text: body.message ?? "", icon: "utility:error" };
        }
        if (this.standings?.length === 0) return { title: noneTitle, text: noneText, icon: "utility:ribbon" };
        return null;
    }

    get programs() {
        const shown = this.showAll ? this.standings : (this.standings ?? []).slice(0, this.maxPrograms);
        return shown.map((standing, index) => ({
            key: standing.id,
            standing,
            // without its key nobody knows whose payouts they are
            payouts: standing.programKey
                ? this.payouts.filter((payout) => payout.programKey === standing.programKey)
                : [],
            expanded: index === 0
        }));
    }

    get hasMore() {
        return (this.standings?.length ?? 0) > this.maxPrograms;
    }

    get moreLabel() {
        return this.showAll ? fewerLabel : fill(moreLabel, this.standings.length - this.maxPrograms);
    }

    get partial() {
        const hidden = new Set((this.standings ?? []).flatMap((standing) => standing.hidden));
        const names = [...hidden].map((name) => name.replace(/__c$/, "").replaceAll("_", " "));
        return names.length ? fill(partialLabel, names.join(", ")) : "";
    }

    /** The oldest of the standings still open: the card is as fresh as its oldest part. */
    get lastSynced() {
        const open = (this.standings ?? []).filter((standing) => standing.status !== "Closed");
        const moments = (open.length ? open : this.standings ?? []).map((s) => s.lastSynced).filter(Boolean);
        return moments.length ? moments.reduce((a, b) => (Date.parse(a) < Date.parse(b) ? a : b)) : null;
    }

    get lastSyncedText() {
        return this.lastSynced ? fill(syncedLabel, moment(this.lastSynced)) : neverSyncedLabel;
    }

    get isStale() {
        if (!this.lastSynced) return false;
        return Date.now() - Date.parse(this.lastSynced) > this.staleAfterHours * MILLISECONDS_AN_HOUR;
    }

    get showFooter() {
        return (this.standings?.length ?? 0) > 0;
    }

    handleMore() {
        this.showAll = !this.showAll;
    }
}
