/**
 * The book of accounts, ranked by what a call pays today: extra rebate for each further amount sold and day left.
 * Reads through the GraphQL wire of the UI API: sharing and field-level security of the user apply, no Apex.
 */
import { LightningElement, api, wire } from "lwc";
import { NavigationMixin } from "lightning/navigation";
import { gql, graphql } from "lightning/uiGraphQLApi";
import accountLabel from "@salesforce/label/c.Rebate_Opp_Account";
import allProgramsLabel from "@salesforce/label/c.Rebate_Opp_All_Programs";
import allRegionsLabel from "@salesforce/label/c.Rebate_Opp_All_Regions";
import countLabel from "@salesforce/label/c.Rebate_Opp_Count";
import countOneLabel from "@salesforce/label/c.Rebate_Opp_Count_One";
import daysLabel from "@salesforce/label/c.Rebate_Opp_Days";
import errorTitle from "@salesforce/label/c.Rebate_Error_Title";
import extraLabel from "@salesforce/label/c.Rebate_Opp_Extra";
import gapLabel from "@salesforce/label/c.Rebate_Opp_Gap";
import headlineLabel from "@salesforce/label/c.Rebate_Headline_Gap";
import hintLabel from "@salesforce/label/c.Rebate_Opp_Hint";
import loadingLabel from "@salesforce/label/c.Rebate_Loading";
import moreLabel from "@salesforce/label/c.Rebate_Opp_More";
import noAccessText from "@salesforce/label/c.Rebate_No_Access_Text";
import noAccessTitle from "@salesforce/label/c.Rebate_No_Access_Title";
import noneText from "@salesforce/label/c.Rebate_Opp_None_Text";
import noneTitle from "@salesforce/label/c.Rebate_Opp_None_Title";
import programLabel from "@salesforce/label/c.Rebate_Opp_Program";
import rankLabel from "@salesforce/label/c.Rebate_Opp_Rank";
import regionLabel from "@salesforce/label/c.Rebate_Opp_Region";
import scoreLabel from "@salesforce/label/c.Rebate_Opp_Score";
import titleLabel from "@salesforce/label/c.Rebate_Opp_Title";
import totalLabel from "@salesforce/label/c.Rebate_Opp_Total";
import { fill, measured, money, number } from "c/rebateWords";

const ALL = "";
const PAGE = 200;
const PER = 100; // the score is shown for each 100 sold: cents for each 1 say nothing

const QUERY = gql`
    query rebateOpportunities($where: Rebate_Standing__c_Filter, $first: Int) {
        uiapi {
            query {
                Rebate_Standing__c(
                    where: $where
                    orderBy: { Opportunity_Score__c: { order: DESC, nulls: LAST } }
                    first: $first
                ) {
                    totalCount
                    edges {
                        node {
                            Id
                            Account__c { value }
                            Account__r { Name { value } }
                            Program_Name__c { value }
                            Period__c { value }
                            Region__c { value }
                            Qualifier__c { value }
                            Currency_Code__c { value }
                            To_Next_Tier__c { value }
                            Next_Tier__c { value }
                            Next_Benefit__c { value }
                            Uplift__c { value }
                            Days_Left__c { value }
                            Opportunity_Score__c { value }
                        }
                    }
                }
            }
        }
    }
`;

/** What both choices leave; a standing with nothing to win is no opportunity. */
function filterOf(region, program) {
    const parts = [{ Opportunity_Score__c: { gt: 0 } }, { Status__c: { ne: "Closed" } }];
    if (region !== ALL) parts.push({ Region__c: { eq: region } });
    if (program !== ALL) parts.push({ Program_Name__c: { eq: program } });
    return { and: parts };
}

export default class RebateOpportunities extends NavigationMixin(LightningElement) {
    @api maxRows = 10;

    labels = {
        account: accountLabel,
        days: daysLabel,
        extra: extraLabel,
        gap: gapLabel,
        hint: hintLabel,
        loading: loadingLabel,
        program: programLabel,
        rank: rankLabel,
        region: regionLabel,
        score: scoreLabel,
        title: titleLabel
    };
    query = QUERY;
    region = ALL;
    program = ALL;
    regions = new Set();
    programs = new Set();
    nodes;
    total = 0;
    errors;

    get variables() {
        return { where: filterOf(this.region, this.program), first: PAGE };
    }

    @wire(graphql, { query: "$query", variables: "$variables" })
    receive({ data, errors }) {
        if (data) {
            const found = data.uiapi.query.Rebate_Standing__c;
            this.nodes = found.edges.map((edge) => edge.node);
            this.total = found.totalCount ?? this.nodes.length;
            this.errors = undefined;
            this.remember();
        } else if (errors?.length) {
            this.nodes = undefined;
            this.errors = errors;
        }
    }

    /** The choices are those of everything seen so far: a filter must not remove its own alternatives. */
    remember() {
        const values = (name) => this.nodes.map((node) => node[name]?.value).filter(Boolean);
        this.regions = new Set([...this.regions, ...values("Region__c")]);
        this.programs = new Set([...this.programs, ...values("Program_Name__c")]);
    }

    get isLoading() {
        return !this.nodes && !this.errors;
    }

    get message() {
        if (this.errors) {
            const text = this.errors.map((error) => error.message).join(" ");
            const denied = /access|permission|FieldUndefined|UnknownType/i.test(text);
            return denied
                ? { title: noAccessTitle, text: noAccessText, icon: "utility:lock" }
                : { title: errorTitle, text, icon: "utility:error" };
        }
        if (this.nodes?.length === 0) return { title: noneTitle, text: noneText, icon: "utility:success" };
        return null;
    }

    get regionOptions() {
        return [{ label: allRegionsLabel, value: ALL }, ...this.options(this.regions)];
    }

    get programOptions() {
        return [{ label: allProgramsLabel, value: ALL }, ...this.options(this.programs)];
    }

    options(names) {
        return [...names].sort((a, b) => a.localeCompare(b)).map((name) => ({ label: name, value: name }));
    }

    get rows() {
        const shown = (this.nodes ?? []).slice(0, this.maxRows);
        const best = Math.max(...shown.map((node) => node.Opportunity_Score__c?.value ?? 0), 0) || 1;
        return shown.map((node, index) => {
            const at = (name) => node[name]?.value ?? null;
            const currency = at("Currency_Code__c");
            const gap = at("To_Next_Tier__c");
            const gapText = measured(gap, at("Qualifier__c"), currency, { whole: gap >= 100, toward: "up" });
            const score = at("Opportunity_Score__c");
            const extra = at("Uplift__c");
            return {
                key: node.Id,
                rank: index + 1,
                accountId: at("Account__c"),
                account: node.Account__r?.Name?.value ?? "–",
                url: `/lightning/r/Account/${at("Account__c")}/view`,
                where: [at("Region__c"), at("Program_Name__c"), at("Period__c")].filter(Boolean).join(" · "),
                gap: fill(headlineLabel, gapText, at("Next_Benefit__c") ?? at("Next_Tier__c") ?? ""),
                extra: `+${money(extra, currency, { whole: true, toward: "down" })}`,
                days: number(at("Days_Left__c")),
                score: money(Math.round(score * PER * 100) / 100, currency),
                barStyle: `inline-size: ${((100 * score) / best).toFixed(1)}%`
            };
        });
    }

    get summary() {
        const count = this.rows.length;
        const currencies = new Set((this.nodes ?? []).map((node) => node.Currency_Code__c?.value));
        const words = [count === 1 ? countOneLabel : fill(countLabel, number(count))];
        if (currencies.size === 1) {
            // one currency: the sum says something; it does not over several
            const cents = this.nodes
                .slice(0, this.maxRows)
                .reduce((sum, node) => sum + Math.round((node.Uplift__c?.value ?? 0) * 100), 0);
            words.push(fill(totalLabel, money(cents / 100, [...currencies][0], { whole: true, toward: "down" })));
        }
        return words.join(" · ");
    }

    get more() {
        return this.total > this.rows.length ? fill(moreLabel, number(this.rows.length)) : "";
    }

    handleRegion(event) {
        this.region = event.detail.value;
    }

    handleProgram(event) {
        this.program = event.detail.value;
    }

    handleOpen(event) {
        event.preventDefault();
        this[NavigationMixin.Navigate]({
            type: "standard__recordPage",
            attributes: { recordId: event.currentTarget.dataset.id, objectApiName: "Account", actionName: "view" }
        });
    }
}
