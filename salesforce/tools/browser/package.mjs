/** What the browser needs to know of the package: its labels by language, its fields by object. Read from the source. */
import { readFileSync, readdirSync, existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const SOURCE = `${ROOT}force-app/main/default/`;
const ENTITIES = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'" };

const unescape = (text) => text.replace(/&(amp|lt|gt|quot|apos);/g, (entity) => ENTITIES[entity]);
const blocks = (xml, name) => [...xml.matchAll(new RegExp(`<${name}>([\\s\\S]*?)</${name}>`, "g"))].map((m) => m[1]);
const text = (xml, name) => {
    const found = blocks(xml, name)[0];
    return found === undefined ? undefined : unescape(found);
};

/** { en: { Rebate_Now: "Rebate now" }, es: { … } } */
export function labels() {
    const english = {};
    for (const block of blocks(readFileSync(`${SOURCE}labels/CustomLabels.labels-meta.xml`, "utf8"), "labels")) {
        english[text(block, "fullName")] = text(block, "value");
    }
    const spanish = {};
    const translation = `${ROOT}translations/main/default/translations/es.translation-meta.xml`;
    for (const block of blocks(readFileSync(translation, "utf8"), "customLabels")) {
        spanish[text(block, "name")] = text(block, "label");
    }
    return { en: english, es: spanish };
}

/** The words of a field's values in Spanish, by their English ones. */
function spanish(object, field) {
    const file = `${ROOT}translations/main/default/objectTranslations/${object}-es/${field}.fieldTranslation-meta.xml`;
    if (!existsSync(file)) return {};
    const values = blocks(readFileSync(file, "utf8"), "picklistValues");
    return Object.fromEntries(values.map((block) => [text(block, "masterLabel"), text(block, "translation")]));
}

/** { Rebate_Standing__c: { Status__c: { type, picklist: { On_Track: { en: "On Track", es: "En curso" } } } } } */
export function fields() {
    const objects = {};
    for (const object of readdirSync(`${SOURCE}objects`)) {
        const folder = `${SOURCE}objects/${object}/fields`;
        objects[object] = {};
        if (!existsSync(folder)) continue;
        for (const file of readdirSync(folder)) {
            const xml = readFileSync(`${folder}/${file}`, "utf8");
            const name = text(xml, "fullName");
            const translated = spanish(object, name);
            const values = blocks(xml, "value").map((block) => {
                const en = text(block, "label");
                return [text(block, "fullName"), { en, es: translated[en] ?? en }];
            });
            objects[object][name] = {
                type: text(xml, "type"),
                formula: xml.includes("<formula>"),
                picklist: Object.fromEntries(values)
            };
        }
    }
    return objects;
}
