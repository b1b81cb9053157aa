export { default as RebateProgress } from "c/rebateProgress";
export { default as RebateOpportunities } from "c/rebateOpportunities";
