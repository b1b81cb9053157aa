/** Bundles the components as they are deployed, with the real base components, for a browser without an org. */
import { cpSync, mkdirSync } from "node:fs";
import lwc from "@lwc/rollup-plugin";
import resolve from "@rollup/plugin-node-resolve";
import replace from "@rollup/plugin-replace";
import { ROOT, fields, labels } from "./package.mjs";

const OUT = `${ROOT}build/browser`;
const STYLES = `${ROOT}node_modules/@salesforce-ux/design-system/assets/styles`;
const known = labels();

/** The modules that the platform makes up: labels and the user's locale. A label that does not exist stops the build. */
function platform() {
    const made = {
        "@salesforce/i18n/locale": "export default window.org.locale",
        "@salesforce/i18n/timeZone": "export default window.org.timeZone",
        // form-associated custom elements and synthetic shadow exclude each other: off, as in an org without them
        "@salesforce/gate/bc.260.enableComboboxElementInternals": "export default { isOpen: () => false }",
        "virtual:fields": `export default ${JSON.stringify(fields())}`,
        "virtual:labels": `export default ${JSON.stringify(known)}`
    };
    const prefix = "@salesforce/label/c.";
    return {
        name: "salesforce-platform",
        resolveId: (id) => (id in made || id.startsWith(prefix) ? `\0${id}` : null),
        load(id) {
            const name = id.slice(1);
            if (name in made) return made[name];
            if (!name.startsWith(prefix)) return null;
            const label = name.slice(prefix.length);
            if (!(label in known.en)) this.error(`there is no label ${label}`);
            return `export default window.org.labels[${JSON.stringify(label)}]`;
        }
    };
}

mkdirSync(OUT, { recursive: true });
cpSync(`${ROOT}tools/browser/page.html`, `${OUT}/index.html`);
cpSync(`${STYLES}/salesforce-lightning-design-system.min.css`, `${OUT}/slds.css`);

export default {
    input: `${ROOT}tools/browser/main.js`,
    output: { dir: OUT, format: "esm", entryFileNames: "main.js" },
    onwarn(warning, report) {
        const harmless = ["CIRCULAR_DEPENDENCY", "PLUGIN_WARNING"].includes(warning.code) &&
            !warning.id?.includes("force-app");
        if (!harmless) report(warning);
    },
    plugins: [
        platform(),
        lwc({ rootDir: ROOT, disableSyntheticShadowSupport: false, enableDynamicComponents: true }),
        resolve(),
        replace({
            preventAssignment: true,
            values: { "process.env.NODE_ENV": '"production"', "import.meta.env.SSR": "false" }
        })
    ]
};
