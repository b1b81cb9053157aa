/**
 * The tier ladder: one band of equal width a tier, linear inside a band, so that low tiers stay readable.
 * Solid: what is done. Hatched: what the forecast adds. Amber: what the next tier still asks for. The same in words for people who listen.
 */
import { LightningElement, api } from "lwc";
import forecastLabel from "@salesforce/label/c.Rebate_Forecast";
import ladderLabel from "@salesforce/label/c.Rebate_Ladder";
import nextLabel from "@salesforce/label/c.Rebate_Next";
import reachedLabel from "@salesforce/label/c.Rebate_Reached";
import topLabel from "@salesforce/label/c.Rebate_Ladder_Top";
import valueLabel from "@salesforce/label/c.Rebate_Ladder_Value";
import { fill, measured } from "c/rebateWords";

const SIDE_BY_SIDE = 4; // more tiers than this are listed below the bar instead

export default class RebateLadder extends LightningElement {
    /** { value, forecast, tiers: [{ name, threshold, benefit, reached }] }, tiers ascending */
    @api ladder;
    @api program;
    @api qualifier;
    @api currency;
    labels = { reached: reachedLabel, next: nextLabel };

    get tiers() {
        return this.ladder?.tiers ?? [];
    }

    /** Band starts: zero first when the lowest tier asks for more than nothing. */
    get edges() {
        const thresholds = this.tiers.map((tier) => tier.threshold);
        return thresholds.length && thresholds[0] > 0 ? [0, ...thresholds] : thresholds;
    }

    get value() {
        return Math.max(0, this.ladder?.value ?? 0);
    }

    /** What the bar shows as done: where something else than the threshold is missing, it stops before the tier. */
    get done() {
        return this.next ? Math.min(this.value, this.next.threshold) : this.value;
    }

    get forecast() {
        return Math.max(this.done, this.ladder?.forecast ?? 0);
    }

    get hasForecast() {
        return this.forecast > this.value;
    }

    /** The store says which tiers are reached: a closed gate or a second qualifier may hold one back past its threshold. */
    get next() {
        return this.tiers.find((tier) => !tier.reached);
    }

    /** How far along the whole bar a value lies, 0 to 100. The last band has no end: reached means full. */
    along(value) {
        const { edges } = this;
        if (!edges.length) return 0;
        let band = edges.findIndex((edge, index) => index === edges.length - 1 || value < edges[index + 1]);
        band = Math.max(0, band);
        const last = band === edges.length - 1;
        const inside = last
            ? Number(value >= edges[band])
            : Math.max(0, value - edges[band]) / (edges[band + 1] - edges[band] || 1);
        return (100 * (band + inside)) / edges.length;
    }

    get bands() {
        const width = 100 / this.edges.length;
        const [done, likely] = [this.along(this.done), this.along(this.forecast)];
        const missing = this.next ? width * this.edges.indexOf(this.next.threshold) : 0;
        const part = (to, start) => Math.min(100, Math.max(0, ((to - start) / width) * 100));
        return this.edges.map((edge, index) => {
            const start = index * width;
            return {
                key: `${index}-${edge}`,
                doneStyle: `inline-size: ${part(done, start).toFixed(2)}%`,
                missingStyle: `inline-size: ${part(missing, start).toFixed(2)}%`,
                likelyStyle: `inline-size: ${part(likely, start).toFixed(2)}%`
            };
        });
    }

    get marks() {
        const current = this.tiers.filter((tier) => tier.reached).at(-1);
        const options = { compact: true };
        const marks = this.tiers.map((tier, index) => ({
            key: `${index}-${tier.name}`,
            name: tier.name,
            threshold: measured(tier.threshold, this.qualifier, this.currency, options),
            benefit: tier.benefit,
            reached: tier.reached,
            next: tier === this.next,
            css: `mark${tier === current ? " mark_current" : ""}${tier === this.next ? " mark_next" : ""}`
        }));
        return this.edges.length > this.tiers.length ? [{ key: "start", css: "mark mark_start" }, ...marks] : marks;
    }

    get listed() {
        return this.marks.filter((mark) => mark.key !== "start");
    }

    get ladderClass() {
        return this.tiers.length > SIDE_BY_SIDE ? "ladder ladder_many" : "ladder";
    }

    get pinStyle() {
        return `inset-inline-start: ${this.along(this.done).toFixed(2)}%`;
    }

    /** The words above the pin stay inside the bar: they lean to the side that has room. */
    get pinClass() {
        const at = this.along(this.done);
        if (at < 15) return "pin pin_start";
        return at > 85 ? "pin pin_end" : "pin";
    }

    get valueText() {
        return measured(this.value, this.qualifier, this.currency, { whole: true, toward: "down" });
    }

    get forecastText() {
        return fill(forecastLabel, measured(this.forecast, this.qualifier, this.currency, { whole: true }));
    }

    get ariaLabel() {
        return fill(ladderLabel, this.program);
    }

    get ariaNow() {
        return Math.round(this.along(this.done));
    }

    get ariaText() {
        const value = measured(this.value, this.qualifier, this.currency);
        if (!this.next) return fill(topLabel, value);
        return fill(valueLabel, value, measured(this.next.threshold, this.qualifier, this.currency), this.next.name);
    }
}
