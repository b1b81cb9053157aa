import "@lwc/synthetic-shadow"; // first: the design system's one style sheet reaches inside, as it does in an org
import { createElement } from "lwc";
import labels from "virtual:labels";
import { makeOrg } from "./org.js";

/** Called by the check with everything a scenario needs. */
window.show = async ({ component, properties, content, direction, locale, language, width }) => {
    document.documentElement.dir = direction;
    document.documentElement.lang = language;
    document.querySelector("#app").style.setProperty("--width", width);
    window.org = makeOrg(content, { locale, timeZone: "America/New_York", labels: labels[language], language });
    // the components read locale and labels when they load, as they do in an org: load them after `org` stands
    const { RebateProgress, RebateOpportunities } = await import("./components.js");
    const constructors = { "c-rebate-progress": RebateProgress, "c-rebate-opportunities": RebateOpportunities };
    const element = createElement(component, { is: constructors[component] });
    Object.assign(element, properties);
    document.querySelector("#app").replaceChildren(element);
};
window.ready = true;
