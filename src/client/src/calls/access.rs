//! The calls of AccessService. What each does and how it fails is in its proto.
//!
//! All of it is in the root feed. What changes it goes on to the region that leads that, if the
//! client was given nodes of it, and a read shows at least what this client has seen or written.
//! Nothing makes two attempts of a change one: it is sent again only if surely nothing was done.

use wire::Channel;
use wire::access::v1::{
    AssumeRoleRequest, AssumeRoleResponse, AssumeRoleWithWebIdentityRequest,
    AssumeRoleWithWebIdentityResponse, CreateAccountRequest, CreateAccountResponse,
    CreateCredentialRequest, CreateCredentialResponse, CreatePolicyRequest, CreatePolicyResponse,
    CreatePrincipalRequest, CreatePrincipalResponse, CreateProviderRequest, CreateProviderResponse,
    DeleteCredentialRequest, DeleteCredentialResponse, DeletePolicyRequest, DeletePolicyResponse,
    DeletePrincipalRequest, DeletePrincipalResponse, DeleteProviderRequest, DeleteProviderResponse,
    GetCallerIdentityRequest, GetCallerIdentityResponse, GetPolicyRequest, GetPolicyResponse,
    GetPrincipalRequest, GetPrincipalResponse, GetProviderRequest, GetProviderResponse,
    ListAccountsRequest, ListAccountsResponse, ListCredentialsRequest, ListCredentialsResponse,
    ListPoliciesRequest, ListPoliciesResponse, ListPrincipalsRequest, ListPrincipalsResponse,
    ListProvidersRequest, ListProvidersResponse, ListRevocationsRequest, ListRevocationsResponse,
    RevokeRequest, RevokeResponse, SimulatePolicyRequest, SimulatePolicyResponse,
    UpdateCredentialRequest, UpdateCredentialResponse, UpdatePolicyRequest, UpdatePolicyResponse,
    UpdatePrincipalRequest, UpdatePrincipalResponse, UpdateProviderRequest, UpdateProviderResponse,
    WhoCanRequest, WhoCanResponse, access_service_client::AccessServiceClient,
};

use super::{Effect, led::Means};
use crate::{Client, error::Error, limits::REPLY_BYTES_MAX};

impl Client {
    /// Says who the caller is to the nodes.
    pub async fn get_caller_identity(
        &self,
        request: GetCallerIdentityRequest,
    ) -> Result<GetCallerIdentityResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).get_caller_identity(request).await
        })
        .await
    }

    /// Opens a session of a role with a token of a trusted issuer. The session's token is wiped
    /// when the answer is dropped.
    pub async fn assume_role_with_web_identity(
        &self,
        request: AssumeRoleWithWebIdentityRequest,
    ) -> Result<AssumeRoleWithWebIdentityResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel)
                .assume_role_with_web_identity(request)
                .await
        })
        .await
    }

    /// Opens a session of a role that trusts the caller. Its token is wiped when the answer is
    /// dropped.
    pub async fn assume_role(
        &self,
        request: AssumeRoleRequest,
    ) -> Result<AssumeRoleResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).assume_role(request).await
        })
        .await
    }

    /// Makes an account known.
    pub async fn create_account(
        &self,
        request: CreateAccountRequest,
    ) -> Result<CreateAccountResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Writes,
            request,
            means,
            |channel, request| async move { service(channel).create_account(request).await },
        )
        .await
    }

    /// Lists the accounts.
    pub async fn list_accounts(
        &self,
        request: ListAccountsRequest,
    ) -> Result<ListAccountsResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).list_accounts(request).await
        })
        .await
    }

    /// Makes a user, a group or a role.
    pub async fn create_principal(
        &self,
        request: CreatePrincipalRequest,
    ) -> Result<CreatePrincipalResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Writes,
            request,
            means,
            |channel, request| async move { service(channel).create_principal(request).await },
        )
        .await
    }

    /// Describes a user, a group or a role.
    pub async fn get_principal(
        &self,
        request: GetPrincipalRequest,
    ) -> Result<GetPrincipalResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).get_principal(request).await
        })
        .await
    }

    /// Lists users, groups or roles, one page: it may be empty and have another one behind it.
    pub async fn list_principals(
        &self,
        request: ListPrincipalsRequest,
    ) -> Result<ListPrincipalsResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).list_principals(request).await
        })
        .await
    }

    /// Changes one thing of a user, a group or a role.
    pub async fn update_principal(
        &self,
        request: UpdatePrincipalRequest,
    ) -> Result<UpdatePrincipalResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Writes,
            request,
            means,
            |channel, request| async move { service(channel).update_principal(request).await },
        )
        .await
    }

    /// Deletes a user, a group or a role.
    pub async fn delete_principal(
        &self,
        request: DeletePrincipalRequest,
    ) -> Result<DeletePrincipalResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Writes,
            request,
            means,
            |channel, request| async move { service(channel).delete_principal(request).await },
        )
        .await
    }

    /// Makes a managed policy.
    pub async fn create_policy(
        &self,
        request: CreatePolicyRequest,
    ) -> Result<CreatePolicyResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Writes,
            request,
            means,
            |channel, request| async move { service(channel).create_policy(request).await },
        )
        .await
    }

    /// Returns a managed policy with its document.
    pub async fn get_policy(&self, request: GetPolicyRequest) -> Result<GetPolicyResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).get_policy(request).await
        })
        .await
    }

    /// Lists managed policies without their documents, one page.
    pub async fn list_policies(
        &self,
        request: ListPoliciesRequest,
    ) -> Result<ListPoliciesResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).list_policies(request).await
        })
        .await
    }

    /// Puts a document in the place of a managed policy's.
    pub async fn update_policy(
        &self,
        request: UpdatePolicyRequest,
    ) -> Result<UpdatePolicyResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Writes,
            request,
            means,
            |channel, request| async move { service(channel).update_policy(request).await },
        )
        .await
    }

    /// Deletes a managed policy.
    pub async fn delete_policy(
        &self,
        request: DeletePolicyRequest,
    ) -> Result<DeletePolicyResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Writes,
            request,
            means,
            |channel, request| async move { service(channel).delete_policy(request).await },
        )
        .await
    }

    /// Makes an access key, or binds a certificate. The secret of a key is wiped when the answer is
    /// dropped.
    pub async fn create_credential(
        &self,
        request: CreateCredentialRequest,
    ) -> Result<CreateCredentialResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Writes,
            request,
            means,
            |channel, request| async move { service(channel).create_credential(request).await },
        )
        .await
    }

    /// Lists the credentials of a user or role.
    pub async fn list_credentials(
        &self,
        request: ListCredentialsRequest,
    ) -> Result<ListCredentialsResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).list_credentials(request).await
        })
        .await
    }

    /// Changes one thing of a credential.
    pub async fn update_credential(
        &self,
        request: UpdateCredentialRequest,
    ) -> Result<UpdateCredentialResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Writes,
            request,
            means,
            |channel, request| async move { service(channel).update_credential(request).await },
        )
        .await
    }

    /// Deletes a credential.
    pub async fn delete_credential(
        &self,
        request: DeleteCredentialRequest,
    ) -> Result<DeleteCredentialResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Writes,
            request,
            means,
            |channel, request| async move { service(channel).delete_credential(request).await },
        )
        .await
    }

    /// Trusts an issuer of tokens.
    pub async fn create_provider(
        &self,
        request: CreateProviderRequest,
    ) -> Result<CreateProviderResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Writes,
            request,
            means,
            |channel, request| async move { service(channel).create_provider(request).await },
        )
        .await
    }

    /// Describes an issuer that is trusted.
    pub async fn get_provider(
        &self,
        request: GetProviderRequest,
    ) -> Result<GetProviderResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).get_provider(request).await
        })
        .await
    }

    /// Lists the issuers that an account trusts.
    pub async fn list_providers(
        &self,
        request: ListProvidersRequest,
    ) -> Result<ListProvidersResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).list_providers(request).await
        })
        .await
    }

    /// Changes the audiences or the keys of an issuer.
    pub async fn update_provider(
        &self,
        request: UpdateProviderRequest,
    ) -> Result<UpdateProviderResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Writes,
            request,
            means,
            |channel, request| async move { service(channel).update_provider(request).await },
        )
        .await
    }

    /// Trusts an issuer no more.
    pub async fn delete_provider(
        &self,
        request: DeleteProviderRequest,
    ) -> Result<DeleteProviderResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Writes,
            request,
            means,
            |channel, request| async move { service(channel).delete_provider(request).await },
        )
        .await
    }

    /// Ends a session, or refuses a certificate from now on.
    pub async fn revoke(&self, request: RevokeRequest) -> Result<RevokeResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Writes,
            request,
            means,
            |channel, request| async move { service(channel).revoke(request).await },
        )
        .await
    }

    /// Lists the revocations that still count, one page.
    pub async fn list_revocations(
        &self,
        request: ListRevocationsRequest,
    ) -> Result<ListRevocationsResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).list_revocations(request).await
        })
        .await
    }

    /// Says what the policies of a user or role come to, and which statement decides.
    pub async fn simulate_policy(
        &self,
        request: SimulatePolicyRequest,
    ) -> Result<SimulatePolicyResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).simulate_policy(request).await
        })
        .await
    }

    /// Lists who may take an action on a secret, one page: it may be empty and have another one
    /// behind it.
    pub async fn who_can(&self, request: WhoCanRequest) -> Result<WhoCanResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).who_can(request).await
        })
        .await
    }
}

fn service(channel: Channel) -> AccessServiceClient<Channel> {
    AccessServiceClient::new(channel).max_decoding_message_size(REPLY_BYTES_MAX)
}
