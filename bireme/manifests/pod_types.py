"""The types of the parts of a pod, as the Kubernetes API has them: by type, the fields and what each holds. Data.

`list X` and `map X` (by text) hold others; `string`, `bool`, `int`, `number`, `quantity` and `intOrString` hold none.
"""

from typing import Final

_WRITTEN: Final = {
    "AWSElasticBlockStoreVolumeSource": "bool: readOnly; int: partition; string: fsType volumeID",
    "Affinity": "NodeAffinity: nodeAffinity; PodAffinity: podAffinity; PodAntiAffinity: podAntiAffinity",
    "AppArmorProfile": "string: localhostProfile type",
    "AzureDiskVolumeSource": "bool: readOnly; string: cachingMode diskName diskURI fsType kind",
    "AzureFileVolumeSource": "bool: readOnly; string: secretName shareName",
    "CSIVolumeSource": (
        "LocalObjectReference: nodePublishSecretRef; bool: readOnly; map string: volumeAttributes; string: "
        "driver fsType"
    ),
    "Capabilities": "list string: add drop",
    "CephFSVolumeSource": (
        "LocalObjectReference: secretRef; bool: readOnly; list string: monitors; string: path secretFile user"
    ),
    "CinderVolumeSource": "LocalObjectReference: secretRef; bool: readOnly; string: fsType volumeID",
    "ClusterTrustBundleProjection": "LabelSelector: labelSelector; bool: optional; string: name path signerName",
    "ConfigMapEnvSource": "bool: optional; string: name",
    "ConfigMapKeySelector": "bool: optional; string: key name",
    "ConfigMapProjection": "bool: optional; list KeyToPath: items; string: name",
    "ConfigMapVolumeSource": "bool: optional; int: defaultMode; list KeyToPath: items; string: name",
    "ContainerPort": "int: containerPort hostPort; string: hostIP name protocol",
    "ContainerResizePolicy": "string: resourceName restartPolicy",
    "ContainerRestartRule": "ContainerRestartRuleOnExitCodes: exitCodes; string: action",
    "ContainerRestartRuleOnExitCodes": "list int: values; string: operator",
    "DownwardAPIProjection": "list DownwardAPIVolumeFile: items",
    "DownwardAPIVolumeFile": (
        "ObjectFieldSelector: fieldRef; ResourceFieldSelector: resourceFieldRef; int: mode; string: path"
    ),
    "DownwardAPIVolumeSource": "int: defaultMode; list DownwardAPIVolumeFile: items",
    "EmptyDirVolumeSource": "quantity: sizeLimit; string: medium",
    "EnvFromSource": "ConfigMapEnvSource: configMapRef; SecretEnvSource: secretRef; string: prefix",
    "EnvVar": "EnvVarSource: valueFrom; string: name value",
    "EnvVarSource": (
        "ConfigMapKeySelector: configMapKeyRef; FileKeySelector: fileKeyRef; ObjectFieldSelector: fieldRef; "
        "ResourceFieldSelector: resourceFieldRef; SecretKeySelector: secretKeyRef"
    ),
    "EphemeralVolumeSource": "PersistentVolumeClaimTemplate: volumeClaimTemplate",
    "ExecAction": "list string: command",
    "FCVolumeSource": "bool: readOnly; int: lun; list string: targetWWNs wwids; string: fsType",
    "FileKeySelector": "bool: optional; string: key path volumeName",
    "FlexVolumeSource": (
        "LocalObjectReference: secretRef; bool: readOnly; map string: options; string: driver fsType"
    ),
    "FlockerVolumeSource": "string: datasetName datasetUUID",
    "GCEPersistentDiskVolumeSource": "bool: readOnly; int: partition; string: fsType pdName",
    "GRPCAction": "int: port; string: service",
    "GitRepoVolumeSource": "string: directory repository revision",
    "GlusterfsVolumeSource": "bool: readOnly; string: endpoints path",
    "HTTPGetAction": "intOrString: port; list HTTPHeader: httpHeaders; string: host path scheme",
    "HTTPHeader": "string: name value",
    "HostAlias": "list string: hostnames; string: ip",
    "HostPathVolumeSource": "string: path type",
    "ISCSIVolumeSource": (
        "LocalObjectReference: secretRef; bool: chapAuthDiscovery chapAuthSession readOnly; int: lun; list "
        "string: portals; string: fsType initiatorName iqn iscsiInterface targetPortal"
    ),
    "ImageVolumeSource": "string: pullPolicy reference",
    "KeyToPath": "int: mode; string: key path",
    "LabelSelector": "list LabelSelectorRequirement: matchExpressions; map string: matchLabels",
    "LabelSelectorRequirement": "list string: values; string: key operator",
    "Lifecycle": "LifecycleHandler: postStart preStop; string: stopSignal",
    "LifecycleHandler": "ExecAction: exec; HTTPGetAction: httpGet; SleepAction: sleep; TCPSocketAction: tcpSocket",
    "LocalObjectReference": "string: name",
    "NFSVolumeSource": "bool: readOnly; string: path server",
    "NodeAffinity": (
        "NodeSelector: requiredDuringSchedulingIgnoredDuringExecution; list PreferredSchedulingTerm: "
        "preferredDuringSchedulingIgnoredDuringExecution"
    ),
    "NodeSelector": "list NodeSelectorTerm: nodeSelectorTerms",
    "NodeSelectorRequirement": "list string: values; string: key operator",
    "NodeSelectorTerm": "list NodeSelectorRequirement: matchExpressions matchFields",
    "ObjectFieldSelector": "string: apiVersion fieldPath",
    "ObjectMeta": (
        "int: deletionGracePeriodSeconds generation; list string: finalizers; map string: annotations labels; "
        "string: creationTimestamp deletionTimestamp generateName name namespace resourceVersion selfLink uid"
    ),
    "PersistentVolumeClaim": "ObjectMeta: metadata; PersistentVolumeClaimSpec: spec; string: apiVersion kind",
    "PersistentVolumeClaimSpec": (
        "LabelSelector: selector; TypedLocalObjectReference: dataSource; TypedObjectReference: dataSourceRef; "
        "VolumeResourceRequirements: resources; list string: accessModes; string: storageClassName "
        "volumeAttributesClassName volumeMode volumeName"
    ),
    "PersistentVolumeClaimTemplate": "ObjectMeta: metadata; PersistentVolumeClaimSpec: spec",
    "PersistentVolumeClaimVolumeSource": "bool: readOnly; string: claimName",
    "PhotonPersistentDiskVolumeSource": "string: fsType pdID",
    "PodAffinity": (
        "list PodAffinityTerm: requiredDuringSchedulingIgnoredDuringExecution; list WeightedPodAffinityTerm: "
        "preferredDuringSchedulingIgnoredDuringExecution"
    ),
    "PodAffinityTerm": (
        "LabelSelector: labelSelector namespaceSelector; list string: matchLabelKeys mismatchLabelKeys "
        "namespaces; string: topologyKey"
    ),
    "PodAntiAffinity": (
        "list PodAffinityTerm: requiredDuringSchedulingIgnoredDuringExecution; list WeightedPodAffinityTerm: "
        "preferredDuringSchedulingIgnoredDuringExecution"
    ),
    "PodCertificateProjection": (
        "int: maxExpirationSeconds; map string: userAnnotations; string: certificateChainPath "
        "credentialBundlePath keyPath keyType signerName"
    ),
    "PodDNSConfig": "list PodDNSConfigOption: options; list string: nameservers searches",
    "PodDNSConfigOption": "string: name value",
    "PodDisruptionBudgetSpec": (
        "LabelSelector: selector; intOrString: maxUnavailable minAvailable; string: "
        "unhealthyPodEvictionPolicy"
    ),
    "PodResourceClaim": "string: name resourceClaimName resourceClaimTemplateName",
    "PodSecurityContext": (
        "AppArmorProfile: appArmorProfile; SELinuxOptions: seLinuxOptions; SeccompProfile: seccompProfile; "
        "WindowsSecurityContextOptions: windowsOptions; bool: runAsNonRoot; int: fsGroup runAsGroup "
        "runAsUser; list Sysctl: sysctls; list int: supplementalGroups; string: fsGroupChangePolicy "
        "seLinuxChangePolicy supplementalGroupsPolicy"
    ),
    "PortworxVolumeSource": "bool: readOnly; string: fsType volumeID",
    "PreferredSchedulingTerm": "NodeSelectorTerm: preference; int: weight",
    "Probe": (
        "ExecAction: exec; GRPCAction: grpc; HTTPGetAction: httpGet; TCPSocketAction: tcpSocket; int: "
        "failureThreshold initialDelaySeconds periodSeconds successThreshold terminationGracePeriodSeconds "
        "timeoutSeconds"
    ),
    "ProjectedVolumeSource": "int: defaultMode; list VolumeProjection: sources",
    "QuobyteVolumeSource": "bool: readOnly; string: group registry tenant user volume",
    "RBDVolumeSource": (
        "LocalObjectReference: secretRef; bool: readOnly; list string: monitors; string: fsType image keyring "
        "pool user"
    ),
    "ResourceClaim": "string: name request",
    "ResourceFieldSelector": "quantity: divisor; string: containerName resource",
    "ResourceRequirements": "list ResourceClaim: claims; map quantity: limits requests",
    "SELinuxOptions": "string: level role type user",
    "ScaleIOVolumeSource": (
        "LocalObjectReference: secretRef; bool: readOnly sslEnabled; string: fsType gateway protectionDomain "
        "storageMode storagePool system volumeName"
    ),
    "SeccompProfile": "string: localhostProfile type",
    "SecretEnvSource": "bool: optional; string: name",
    "SecretKeySelector": "bool: optional; string: key name",
    "SecretProjection": "bool: optional; list KeyToPath: items; string: name",
    "SecretVolumeSource": "bool: optional; int: defaultMode; list KeyToPath: items; string: secretName",
    "SecurityContext": (
        "AppArmorProfile: appArmorProfile; Capabilities: capabilities; SELinuxOptions: seLinuxOptions; "
        "SeccompProfile: seccompProfile; WindowsSecurityContextOptions: windowsOptions; bool: "
        "allowPrivilegeEscalation privileged readOnlyRootFilesystem runAsNonRoot; int: runAsGroup runAsUser; "
        "string: procMount"
    ),
    "ServiceAccountTokenProjection": "int: expirationSeconds; string: audience path",
    "SleepAction": "int: seconds",
    "StorageOSVolumeSource": (
        "LocalObjectReference: secretRef; bool: readOnly; string: fsType volumeName volumeNamespace"
    ),
    "Sysctl": "string: name value",
    "TCPSocketAction": "intOrString: port; string: host",
    "Toleration": "int: tolerationSeconds; string: effect key operator value",
    "TypedLocalObjectReference": "string: apiGroup kind name",
    "TypedObjectReference": "string: apiGroup kind name namespace",
    "Volume": (
        "AWSElasticBlockStoreVolumeSource: awsElasticBlockStore; AzureDiskVolumeSource: azureDisk; "
        "AzureFileVolumeSource: azureFile; CSIVolumeSource: csi; CephFSVolumeSource: cephfs; "
        "CinderVolumeSource: cinder; ConfigMapVolumeSource: configMap; DownwardAPIVolumeSource: downwardAPI; "
        "EmptyDirVolumeSource: emptyDir; EphemeralVolumeSource: ephemeral; FCVolumeSource: fc; "
        "FlexVolumeSource: flexVolume; FlockerVolumeSource: flocker; GCEPersistentDiskVolumeSource: "
        "gcePersistentDisk; GitRepoVolumeSource: gitRepo; GlusterfsVolumeSource: glusterfs; "
        "HostPathVolumeSource: hostPath; ISCSIVolumeSource: iscsi; ImageVolumeSource: image; NFSVolumeSource: "
        "nfs; PersistentVolumeClaimVolumeSource: persistentVolumeClaim; PhotonPersistentDiskVolumeSource: "
        "photonPersistentDisk; PortworxVolumeSource: portworxVolume; ProjectedVolumeSource: projected; "
        "QuobyteVolumeSource: quobyte; RBDVolumeSource: rbd; ScaleIOVolumeSource: scaleIO; "
        "SecretVolumeSource: secret; StorageOSVolumeSource: storageos; VsphereVirtualDiskVolumeSource: "
        "vsphereVolume; string: name"
    ),
    "VolumeDevice": "string: devicePath name",
    "VolumeMount": "bool: readOnly; string: mountPath mountPropagation name recursiveReadOnly subPath subPathExpr",
    "VolumeProjection": (
        "ClusterTrustBundleProjection: clusterTrustBundle; ConfigMapProjection: configMap; "
        "DownwardAPIProjection: downwardAPI; PodCertificateProjection: podCertificate; SecretProjection: "
        "secret; ServiceAccountTokenProjection: serviceAccountToken"
    ),
    "VolumeResourceRequirements": "map quantity: limits requests",
    "VsphereVirtualDiskVolumeSource": "string: fsType storagePolicyID storagePolicyName volumePath",
    "WeightedPodAffinityTerm": "PodAffinityTerm: podAffinityTerm; int: weight",
    "WindowsSecurityContextOptions": (
        "bool: hostProcess; string: gmsaCredentialSpec gmsaCredentialSpecName runAsUserName"
    ),
}


def _read(text: str) -> dict[str, str]:
    groups = (group.split(": ") for group in text.split("; "))
    return {field: kind for kind, fields in groups for field in fields.split()}


FIELDS: Final = {name: _read(text) for name, text in _WRITTEN.items()}
"""Type -> field -> what it holds."""
