const { jestConfig } = require("@salesforce/sfdx-lwc-jest/config");

module.exports = {
    ...jestConfig,
    modulePathIgnorePatterns: ["<rootDir>/build/", "<rootDir>/tools/browser/"],
    moduleNameMapper: { ...jestConfig.moduleNameMapper, "^lightning/navigation$": "<rootDir>/tools/jest/navigation.js" },
    setupFilesAfterEnv: ["<rootDir>/tools/jest/setup.cjs"],
    testTimeout: 20000
};
