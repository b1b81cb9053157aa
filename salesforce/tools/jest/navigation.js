/** Stands in for lightning/navigation: remembers where the component went. */
const Navigate = Symbol("Navigate");
const GenerateUrl = Symbol("GenerateUrl");

export const visited = [];
export const NavigationMixin = (Base) =>
    class extends Base {
        [Navigate](page) {
            visited.push(page);
        }

        [GenerateUrl]({ attributes }) {
            return Promise.resolve(`/lightning/r/${attributes.objectApiName}/${attributes.recordId}/view`);
        }
    };
NavigationMixin.Navigate = Navigate;
NavigationMixin.GenerateUrl = GenerateUrl;
