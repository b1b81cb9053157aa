import { createRequire } from "node:module";

const lwcConfig = createRequire(import.meta.url)("@salesforce/eslint-config-lwc");
const components = "force-app/main/default/lwc/**/*.js";
const tests = "force-app/main/default/lwc/**/__tests__/**/*.js";

export default [
    { ignores: ["node_modules/", "build/", "tools/browser/modules/"] },
    ...lwcConfig.configs.recommended.map((config) => ({ ...config, files: [components] })),
    {
        // the older module is there in every org that this package supports, and on phones
        files: [components],
        rules: { "@lwc/lwc/newer-version-available": "off" }
    },
    {
        files: [tests],
        languageOptions: {
            globals: Object.fromEntries(
                ["describe", "it", "expect", "jest", "beforeEach", "afterEach"].map((name) => [name, "readonly"])
            )
        },
        rules: { "@lwc/lwc/no-async-operation": "off", "@lwc/lwc/no-unexpected-wire-adapter-usages": "off" }
    },
    {
        files: ["tools/**/*.js", "tools/**/*.mjs", "tools/**/*.cjs", "*.js", "*.cjs"],
        languageOptions: { ecmaVersion: "latest", sourceType: "module" },
        rules: { "no-unused-vars": "error", "prefer-const": "error", eqeqeq: "error", "no-unreachable": "error" }
    }
];
