//! The generated service trait, one line for each call.

use tonic::{Request, Response, Status};
use wire::access::v1 as api;
use wire::access::v1::access_service_server::AccessService;

use super::Identities;
use crate::secrets::ask::{Answer, Ask};

type Replied<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl AccessService for Identities {
    async fn get_caller_identity(
        &self,
        request: Request<api::GetCallerIdentityRequest>,
    ) -> Replied<api::GetCallerIdentityResponse> {
        Answer::reply(self.caller_identity(Ask::of(request)?).await)
    }

    async fn assume_role_with_web_identity(
        &self,
        request: Request<api::AssumeRoleWithWebIdentityRequest>,
    ) -> Replied<api::AssumeRoleWithWebIdentityResponse> {
        Answer::reply(self.assume_role_with_web_identity(Ask::of(request)?).await)
    }

    async fn assume_role(
        &self,
        request: Request<api::AssumeRoleRequest>,
    ) -> Replied<api::AssumeRoleResponse> {
        Answer::reply(self.assume_role(Ask::of(request)?).await)
    }

    async fn get_session_token(
        &self,
        request: Request<api::GetSessionTokenRequest>,
    ) -> Replied<api::GetSessionTokenResponse> {
        Answer::reply(self.session_token(Ask::of(request)?).await)
    }

    async fn create_account(
        &self,
        request: Request<api::CreateAccountRequest>,
    ) -> Replied<api::CreateAccountResponse> {
        Answer::reply(self.create_account(Ask::of(request)?).await)
    }

    async fn list_accounts(
        &self,
        request: Request<api::ListAccountsRequest>,
    ) -> Replied<api::ListAccountsResponse> {
        Answer::reply(self.list_accounts(Ask::of(request)?).await)
    }

    async fn create_principal(
        &self,
        request: Request<api::CreatePrincipalRequest>,
    ) -> Replied<api::CreatePrincipalResponse> {
        Answer::reply(self.create_principal(Ask::of(request)?).await)
    }

    async fn get_principal(
        &self,
        request: Request<api::GetPrincipalRequest>,
    ) -> Replied<api::GetPrincipalResponse> {
        Answer::reply(self.get_principal(Ask::of(request)?).await)
    }

    async fn list_principals(
        &self,
        request: Request<api::ListPrincipalsRequest>,
    ) -> Replied<api::ListPrincipalsResponse> {
        Answer::reply(self.list_principals(Ask::of(request)?).await)
    }

    async fn update_principal(
        &self,
        request: Request<api::UpdatePrincipalRequest>,
    ) -> Replied<api::UpdatePrincipalResponse> {
        Answer::reply(self.update_principal(Ask::of(request)?).await)
    }

    async fn delete_principal(
        &self,
        request: Request<api::DeletePrincipalRequest>,
    ) -> Replied<api::DeletePrincipalResponse> {
        Answer::reply(self.delete_principal(Ask::of(request)?).await)
    }

    async fn create_policy(
        &self,
        request: Request<api::CreatePolicyRequest>,
    ) -> Replied<api::CreatePolicyResponse> {
        Answer::reply(self.create_policy(Ask::of(request)?).await)
    }

    async fn get_policy(
        &self,
        request: Request<api::GetPolicyRequest>,
    ) -> Replied<api::GetPolicyResponse> {
        Answer::reply(self.get_policy(Ask::of(request)?).await)
    }

    async fn list_policies(
        &self,
        request: Request<api::ListPoliciesRequest>,
    ) -> Replied<api::ListPoliciesResponse> {
        Answer::reply(self.list_policies(Ask::of(request)?).await)
    }

    async fn update_policy(
        &self,
        request: Request<api::UpdatePolicyRequest>,
    ) -> Replied<api::UpdatePolicyResponse> {
        Answer::reply(self.update_policy(Ask::of(request)?).await)
    }

    async fn delete_policy(
        &self,
        request: Request<api::DeletePolicyRequest>,
    ) -> Replied<api::DeletePolicyResponse> {
        Answer::reply(self.delete_policy(Ask::of(request)?).await)
    }

    async fn create_credential(
        &self,
        request: Request<api::CreateCredentialRequest>,
    ) -> Replied<api::CreateCredentialResponse> {
        Answer::reply(self.create_credential(Ask::of(request)?).await)
    }

    async fn list_credentials(
        &self,
        request: Request<api::ListCredentialsRequest>,
    ) -> Replied<api::ListCredentialsResponse> {
        Answer::reply(self.list_credentials(Ask::of(request)?).await)
    }

    async fn update_credential(
        &self,
        request: Request<api::UpdateCredentialRequest>,
    ) -> Replied<api::UpdateCredentialResponse> {
        Answer::reply(self.update_credential(Ask::of(request)?).await)
    }

    async fn delete_credential(
        &self,
        request: Request<api::DeleteCredentialRequest>,
    ) -> Replied<api::DeleteCredentialResponse> {
        Answer::reply(self.delete_credential(Ask::of(request)?).await)
    }

    async fn create_provider(
        &self,
        request: Request<api::CreateProviderRequest>,
    ) -> Replied<api::CreateProviderResponse> {
        Answer::reply(self.create_provider(Ask::of(request)?).await)
    }

    async fn get_provider(
        &self,
        request: Request<api::GetProviderRequest>,
    ) -> Replied<api::GetProviderResponse> {
        Answer::reply(self.get_provider(Ask::of(request)?).await)
    }

    async fn list_providers(
        &self,
        request: Request<api::ListProvidersRequest>,
    ) -> Replied<api::ListProvidersResponse> {
        Answer::reply(self.list_providers(Ask::of(request)?).await)
    }

    async fn update_provider(
        &self,
        request: Request<api::UpdateProviderRequest>,
    ) -> Replied<api::UpdateProviderResponse> {
        Answer::reply(self.update_provider(Ask::of(request)?).await)
    }

    async fn delete_provider(
        &self,
        request: Request<api::DeleteProviderRequest>,
    ) -> Replied<api::DeleteProviderResponse> {
        Answer::reply(self.delete_provider(Ask::of(request)?).await)
    }

    async fn revoke(&self, request: Request<api::RevokeRequest>) -> Replied<api::RevokeResponse> {
        Answer::reply(self.revoke(Ask::of(request)?).await)
    }

    async fn list_revocations(
        &self,
        request: Request<api::ListRevocationsRequest>,
    ) -> Replied<api::ListRevocationsResponse> {
        Answer::reply(self.list_revocations(Ask::of(request)?).await)
    }

    async fn simulate_policy(
        &self,
        request: Request<api::SimulatePolicyRequest>,
    ) -> Replied<api::SimulatePolicyResponse> {
        Answer::reply(self.simulate_policy(Ask::of(request)?).await)
    }

    async fn who_can(&self, request: Request<api::WhoCanRequest>) -> Replied<api::WhoCanResponse> {
        Answer::reply(self.who_can(Ask::of(request)?).await)
    }
}
